# data: build/chapters/00-autodiff/differences
set terminal svg size 640,400 font "sans-serif,14" background "white"
set datafile separator ","
set logscale xy
set format "10^{%T}"
set xlabel "h"
set ylabel "error"
set key bottom left
plot "differences.csv" using 1:2 skip 1 with linespoints pt 7 ps 0.4 title "(f(x+h) - f(x)) / h", \
     "differences.csv" using 1:3 skip 1 with linespoints pt 5 ps 0.4 title "(f(x+h) - f(x-h)) / 2h"
