# data: build/chapters/03-reinforce/short_episodes
set terminal svg size 640,360 font "sans-serif,14" background "white"
set datafile separator ","
set xlabel "p, the probability to end the episode"
set ylabel "mean update in its logit, one episode"
set xzeroaxis
set yrange [-0.05:*]
plot "short_episodes.csv" using 1:2 skip 1 with linespoints pt 7 ps 0.5 title "mean over trajectories", \
     "short_episodes.csv" using 1:3 skip 1 with linespoints pt 7 ps 0.5 title "mean over steps"
