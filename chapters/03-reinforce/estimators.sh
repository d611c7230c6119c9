# Exact mean and variance of one episode's estimate, over all trajectories of X3: sh estimators.sh HORIZON
echo 'estimator             largest |bias|   trace of the covariance'
for name in total-return reward-to-go baseline Q advantage td reinforce vpg-advantage extra-return-index; do
    ascent estimate X3 --policy chapters/03-reinforce/x3.csv --horizon "$1" --estimator $name |
        awk -v name=$name '/^ +[0-9]/ { b = $5 < 0 ? -$5 : $5; if (b > most) most = b }
                           /trace/    { printf "%-20s  %14.4f   %23.6f\n", name, most, $NF }'
done
