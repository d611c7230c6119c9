/* The grid worlds among the built-in MDPs. States are cells, row by row from the top left; a step
 * against the border stays. Where an episode can end, one more state absorbs: see mdp.h.
 *
 * FrozenLake, CliffWalking and Taxi follow Gymnasium's toy_text (1.4.0) with its numbers for cells and
 * actions; Taxi is Dietterich (2000), JAIR 13, CliffWalking is Example 6.6 of Sutton & Barto, Reinforcement
 * Learning (2nd edition, 2018), where Examples 3.5, 4.1 and 6.5 stand, too. */
#include "envs/mdp_named.h"

typedef struct { int down, right; } move;
static const move LEFT = { 0, -1 }, DOWN = { 1, 0 }, RIGHT = { 0, 1 }, UP = { -1, 0 };

static int clip(int x, int high) { return x < 0 ? 0 : x > high ? high : x; }

/* The cell that a move leads to from cell s of a grid. */
static int cell_after(int rows, int cols, int s, move m)
{
    return clip(s / cols + m.down, rows - 1) * cols + clip(s % cols + m.right, cols - 1);
}

/* An agent on an n x n map (S start, F ice, H hole, G goal: reward 1) moves as intended; on slippery ice
 * with probability 1/3 only, else to either side.   x: n, slippery */
mdp *mdp_frozen_lake(const char *name, const double *x)
{
    enum { nA = 4 };
    const move to[nA] = { LEFT, DOWN, RIGHT, UP };
    int n = (int)x[0], slips = x[1] != 0, end = n * n;
    const char *map = n == 4 ? "SFFF" "FHFH" "FFFH" "HFFG" :
        "SFFFFFFF" "FFFFFFFF" "FFFHFFFF" "FFFFFHFF" "FFFHFFFF" "FHHFFFHF" "FHFFHFHF" "FFFHFFFG";
    double ahead = slips ? 1.0 / 3.0 : 1, aside = (1 - ahead) / 2;
    mdp_builder *b = mdp_begin(name, n * n + 1, nA, 0.9);
    mdp_start(b, 0, 1);
    for (int s = 0; s < n * n; s++)
        for (int a = 0; a < nA; a++) {
            bool ended = map[s] == 'H' || map[s] == 'G';
            if (ended) mdp_transition(b, s, a, end, 1, 0);
            for (int slip = -slips; slip <= slips && !ended; slip++) {
                int s1 = cell_after(n, n, s, to[(a + slip + nA) % nA]);
                bool ends = map[s1] == 'H' || map[s1] == 'G';
                mdp_transition(b, s, a, ends ? end : s1, slip ? aside : ahead, map[s1] == 'G');
            }
        }
    mdp_absorb(b, nA, end);
    return mdp_finish_with_actions(b, "left down right up");
}

/* 4 x 12 cells, start bottom left, goal bottom right. -1 a step; in the cliff between them -100 and back
 * to the start. Slippery: as intended with probability 1/3, else to either side.   x: slippery */
mdp *mdp_cliff_walking(const char *name, const double *x)
{
    enum { rows = 4, cols = 12, start = 36, goal = 47, end = 48, nA = 4 };
    const move to[nA] = { UP, RIGHT, DOWN, LEFT };
    int slips = x[0] != 0;
    mdp_builder *b = mdp_begin(name, end + 1, nA, 0.9);
    mdp_start(b, start, 1);
    for (int s = 0; s < rows * cols; s++)
        for (int a = 0; a < nA; a++)
            for (int slip = -slips; slip <= slips; slip++) {
                int s1 = cell_after(rows, cols, s, to[(a + slip + nA) % nA]);
                bool falls = start < s1 && s1 < goal;
                mdp_transition(b, s, a, falls ? start : s1 == goal ? end : s1,
                               slips ? 1.0 / 3.0 : 1, falls ? -100 : -1);
            }
    mdp_absorb(b, nA, end);
    return mdp_finish_with_actions(b, "up right down left");
}

/* A passenger waits at one of the places R, G, Y, B (0..3) or sits in the taxi (4) and wants to another.
 * State ((row 5 + col) 5 + passenger) 4 + destination; -1 a step, 20 for the right place at the end of the
 * ride, -10 for a pickup or dropoff that cannot be. Start: uniform where the passenger wants to leave. */
mdp *mdp_taxi(const char *name, const double *x)
{
    enum { n = 5, riding = 4, end = n * n * 5 * 4, nA = 6 };
    static const char *const map[n] = { "|R: | : :G|",
                                        "| : | : : |",
                                        "| : : : : |",
                                        "| | : | : |",
                                        "|Y| : |B: |" };
    static const int place[4] = { 0, 4, 20, 23 };
    const move to[4] = { DOWN, UP, RIGHT, LEFT };
    (void)x;
    mdp_builder *b = mdp_begin(name, end + 1, nA, 0.99);
    for (int s = 0; s < end; s++) {
        int cell = s / 20, passenger = s / 4 % 5, destination = s % 4, here = -1;
        for (int i = 0; i < 4; i++) if (place[i] == cell) here = i;
        if (passenger != riding && passenger != destination) mdp_start(b, s, 1.0 / 300.0);

        for (int a = 0; a < 4; a++) {
            char wall = a < 2 ? ':' : map[cell / n][cell % n * 2 + (a == 2 ? 2 : 0)];
            int cell1 = wall == ':' ? cell_after(n, n, cell, to[a]) : cell;
            mdp_transition(b, s, a, cell1 * 20 + s % 20, 1, -1);
        }
        bool picks = passenger != riding && passenger == here, drops = passenger == riding && here >= 0;
        bool arrives = drops && here == destination;
        mdp_transition(b, s, 4, picks ? cell * 20 + riding * 4 + destination : s, 1, picks ? -1 : -10);
        mdp_transition(b, s, 5, arrives ? end : drops ? cell * 20 + here * 4 + destination : s, 1,
                       arrives ? 20 : drops ? -1 : -10);
    }
    mdp_absorb(b, nA, end);
    return mdp_finish_with_actions(b, "south north east west pickup dropoff");
}

/* Example 3.5: 5 x 5 cells without an end; every action in A pays 10 and leads to A', in B 5 and to B';
 * against the border -1. Start: uniform. */
mdp *mdp_gridworld_3_5(const char *name, const double *x)
{
    enum { n = 5, A = 1, A1 = 21, B = 3, B1 = 13, nA = 4 };
    const move to[nA] = { UP, DOWN, RIGHT, LEFT };
    (void)x;
    mdp_builder *b = mdp_begin(name, n * n, nA, 0.9);
    for (int s = 0; s < n * n; s++) {
        mdp_start(b, s, 1.0 / (n * n));
        for (int a = 0; a < nA; a++) {
            int s1 = cell_after(n, n, s, to[a]);
            if (s == A)      mdp_transition(b, s, a, A1, 1, 10);
            else if (s == B) mdp_transition(b, s, a, B1, 1, 5);
            else             mdp_transition(b, s, a, s1, 1, s1 == s ? -1 : 0);
        }
    }
    return mdp_finish_with_actions(b, "north south east west");
}

/* Example 4.1: 4 x 4 cells, two opposite corners are terminal, -1 a step. Start: uniform over the others. */
mdp *mdp_gridworld_4_1(const char *name, const double *x)
{
    enum { n = 4, last = n * n - 1, end = n * n, nA = 4 };
    const move to[nA] = { UP, DOWN, RIGHT, LEFT };
    (void)x;
    mdp_builder *b = mdp_begin(name, end + 1, nA, 0.9);
    for (int s = 0; s < n * n; s++) {
        bool ended = s == 0 || s == last;
        if (!ended) mdp_start(b, s, 1.0 / (n * n - 2));
        for (int a = 0; a < nA; a++) {
            int s1 = cell_after(n, n, s, to[a]);
            bool ends = ended || s1 == 0 || s1 == last;
            mdp_transition(b, s, a, ends ? end : s1, 1, ended ? 0 : -1);
        }
    }
    mdp_absorb(b, nA, end);
    return mdp_finish_with_actions(b, "up down right left");
}

/* Example 6.5: 7 x 10 cells; in the middle columns a wind lifts every step by one or two rows; -1 a step. */
mdp *mdp_windy_gridworld(const char *name, const double *x)
{
    enum { rows = 7, cols = 10, start = 30, goal = 37, end = rows * cols, nA = 4 };
    static const int wind[cols] = { 0, 0, 0, 1, 1, 1, 2, 2, 1, 0 };
    const move to[nA] = { UP, DOWN, RIGHT, LEFT };
    (void)x;
    mdp_builder *b = mdp_begin(name, end + 1, nA, 0.9);
    mdp_start(b, start, 1);
    for (int s = 0; s < rows * cols; s++)
        for (int a = 0; a < nA; a++) {
            int s1 = cell_after(rows, cols, s, (move){ to[a].down - wind[s % cols], to[a].right });
            bool ended = s == goal;
            mdp_transition(b, s, a, ended || s1 == goal ? end : s1, 1, ended ? 0 : -1);
        }
    mdp_absorb(b, nA, end);
    return mdp_finish_with_actions(b, "up down right left");
}
