# data: build/chapters/01-decision-processes/horizon
set terminal svg size 640,400 font "sans-serif,14" background "white"
set encoding utf8
set datafile separator ","
set logscale y
set format y "10^{%T}"
set xlabel "T, rewards counted"
set ylabel "distance from V"
plot "horizon.csv" using 1:3 skip 1 with lines dt 2 title "γ^T max |V|", \
     "horizon.csv" using 1:2 skip 1 with linespoints pt 7 ps 0.5 title "max |V_T - V|"
