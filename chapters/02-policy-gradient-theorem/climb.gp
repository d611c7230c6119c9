# data: build/chapters/02-policy-gradient-theorem/climb
set terminal svg size 640,400 font "sans-serif,14" background "white"
set datafile separator ","
set xlabel "k, steps along the exact gradient"
set ylabel "J"
set key bottom right title "step size"
plot for [i=2:4] "climb.csv" using 1:i skip 1 with linespoints pt 7 ps 0.4 title word("0.05 0.5 5", i - 1)
