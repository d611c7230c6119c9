# data: sed -n 's/^# score //p' chapters/03-reinforce/step-size.csv
set terminal svg size 640,380 font "sans-serif,14" background "white"
set encoding utf8
set datafile separator ","
set xlabel "step size α"
set ylabel "mean return of the final policy"
set logscale x
set format x "%g"
set xrange [1e-5:4e-1]
set yrange [0:510]
set key bottom center
plot "step-sizes.csv" using 1:2 with points pt 7 ps 0.6 title "one run each", \
     "step-sizes.csv" using 1:2 smooth unique with lines lw 2 title "their mean"
