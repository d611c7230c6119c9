# data: build/chapters/03-reinforce/aliased
set terminal svg size 640,400 font "sans-serif,14" background "white"
set encoding utf8
set datafile separator ","
set xlabel "k, steps along the mean update"
set key at graph 0.98, 0.62 right
set yrange [-0.05:1.05]
plot "aliased.csv" using 1:2 skip 1 with lines lw 2 lc 1 title "p, with γ^t", \
     "aliased.csv" using 1:3 skip 1 with lines lw 2 lc 2 title "p, without", \
     "aliased.csv" using 1:4 skip 1 with lines lw 2 lc 1 dt 2 title "J, with γ^t", \
     "aliased.csv" using 1:5 skip 1 with lines lw 2 lc 2 dt 2 title "J, without"
