# data: sed -n 's/^# curve //p' chapters/03-reinforce/cartpole.csv
set terminal svg size 640,420 font "sans-serif,14" background "white"
set datafile separator ","
set xlabel "steps of the environment"
set ylabel "mean return of the last 100 episodes"
set logscale x
set xrange [4000:1000000]
set yrange [0:510]
set xtics ("5k" 5000, "20k" 20000, "50k" 50000, "200k" 200000, "1M" 1000000)
set key top left Left reverse
of(name, column) = strcol(1) eq name ? column : NaN
set style fill transparent solid 0.2 noborder
plot 475 with lines dt 3 lc "black" title "475, counts as solved", \
     for [i=1:3] name = word("REINFORCE VPG listing", i) "learning.csv" \
         using 2:(of(name, $4)):(of(name, $5)) with filledcurves lc i notitle, \
     for [i=1:3] name = word("REINFORCE VPG listing", i) "learning.csv" \
         using 2:(of(name, $3)) with lines lw 2 lc i title name
