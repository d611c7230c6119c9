# data: sed -n 's/^# run //p' chapters/03-reinforce/step-size.csv
set terminal svg size 640,420 font "sans-serif,14" background "white"
set encoding utf8
set datafile separator ","
set xlabel "steps of the environment"
set ylabel "mean return of the last 100 episodes"
set yrange [0:510]
set xtics ("0" 0, "50k" 50000, "100k" 100000, "150k" 150000, "200k" 200000)
unset key
plot for [k=1:10] "collapse.csv" using ($1 == k ? $2 : NaN):3 with lines lw 1.5 lc k
