/* The built-in MDPs: see mdp.h.
 *
 * FrozenLake follows Gymnasium's toy_text/frozen_lake.py with is_slippery=True: an agent on a square
 * map (S start, F ice, H hole, G goal) moves as intended with probability 1/3, else to either side.
 * E5 is dense: P(j|s,a) ~ 1 + ((3s + 5a + 7j + s a j) mod 6)^2,  r(s,a) = sin(1 + 2s + 3a),
 * mu0(s) ~ s + 1. */
#include <math.h>
#include <string.h>

#include "envs/mdp.h"

/* The cell that action a leads to from cell s of the n x n map; walls stop. */
static int lake_cell(int n, int s, int a)
{
    enum { LEFT, DOWN, RIGHT, UP };
    int row = s / n, col = s % n;
    if (a == LEFT  && col > 0)     col--;
    if (a == DOWN  && row < n - 1) row++;
    if (a == RIGHT && col < n - 1) col++;
    if (a == UP    && row > 0)     row--;
    return row * n + col;
}

static bool lake_ends(char cell) { return cell == 'H' || cell == 'G'; }

static mdp *frozen_lake(const char *name, const char *map, int n)
{
    enum { nA = 4 };
    int end = n * n;                                    /* the absorbing state */
    double ahead = 1.0 / 3.0, aside = (1.0 - ahead) / 2.0;
    mdp_builder *b = mdp_begin(name, n * n + 1, nA, 0.9);
    for (int s = 0; s < n * n; s++) {
        if (map[s] == 'S') mdp_start(b, s, 1);
        for (int a = 0; a < nA; a++) {
            if (lake_ends(map[s])) mdp_transition(b, s, a, end, 1, 0);
            for (int slip = -1; slip <= 1 && !lake_ends(map[s]); slip++) {
                int s1 = lake_cell(n, s, (a + slip + nA) % nA);
                mdp_transition(b, s, a, lake_ends(map[s1]) ? end : s1, slip ? aside : ahead, map[s1] == 'G');
            }
        }
    }
    for (int a = 0; a < nA; a++) mdp_transition(b, end, a, end, 1, 0);
    return mdp_finish(b);
}

static mdp *e5(void)
{
    enum { nS = 5, nA = 3 };
    mdp_builder *b = mdp_begin("E5", nS, nA, 0.9);
    for (int s = 0; s < nS; s++) {
        mdp_start(b, s, (s + 1) / 15.0);
        for (int a = 0; a < nA; a++) {
            double w[nS], sum = 0;
            for (int j = 0; j < nS; j++) {
                int m = (3 * s + 5 * a + 7 * j + s * a * j) % 6;
                sum += w[j] = 1 + m * m;
            }
            for (int j = 0; j < nS; j++) mdp_transition(b, s, a, j, w[j] / sum, sin(1 + 2 * s + 3 * a));
        }
    }
    return mdp_finish(b);
}

const char *const mdp_builtin_names[] = { "FrozenLake-v1", "FrozenLake8x8-v1", "E5", NULL };

mdp *mdp_builtin(const char *name)
{
    if (strcmp(name, "FrozenLake-v1") == 0)
        return frozen_lake(name, "SFFF" "FHFH" "FFFH" "HFFG", 4);
    if (strcmp(name, "FrozenLake8x8-v1") == 0)
        return frozen_lake(name, "SFFFFFFF" "FFFFFFFF" "FFFHFFFF" "FFFFFHFF"
                                 "FFFHFFFF" "FHHFFFHF" "FHFFHFHF" "FFFHFFFG", 8);
    return strcmp(name, "E5") == 0 ? e5() : NULL;
}
