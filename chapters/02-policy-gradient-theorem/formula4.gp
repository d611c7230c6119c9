# data: build/chapters/02-policy-gradient-theorem/formula4
set terminal svg size 640,400 font "sans-serif,14" background "white"
set datafile separator ","
set encoding utf8
set xlabel "γ"
set key Left reverse left at graph 0.04, 0.35
set xzeroaxis
plot "formula4.csv" using 1:2 skip 1 with lines lw 2 title "(1 - γ) times the derivative of (1)", \
     "formula4.csv" using 1:3 skip 1 with lines lw 2 title "formula (4)"
