# data: build/chapters/02-policy-gradient-theorem/formula4
set terminal svg size 640,400 font "sans-serif,14" background "white"
set datafile separator ","
set xlabel "discount"
set ylabel "times (1 - discount)"
set xzeroaxis
plot "formula4.csv" using 1:2 skip 1 with lines lw 2 title "derivative of (1)", \
     "formula4.csv" using 1:3 skip 1 with lines lw 2 title "formula (4)"
