# data: build/chapters/03-reinforce/variance
set terminal svg size 640,400 font "sans-serif,14" background "white"
set datafile separator ","
set encoding utf8
set xlabel "steps of an episode"
set ylabel "trace of the covariance"
set logscale y
set key bottom right title "weight of a score"
plot for [i=2:5] "variance.csv" using 1:i skip 1 with linespoints pt 7 ps 0.5 \
    title word("R(τ) γ^tG_t γ^t(G_t−V) γ^tA", i - 1)
