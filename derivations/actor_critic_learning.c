#include "derivations/derivation.h"
const derivation actor_critic_learning[] = { { .id = NULL } };
