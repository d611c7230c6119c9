/* A number that two threads change without a lock and without atomics: what ThreadSanitizer must report, so that its
 * silence elsewhere means something. */
#include <pthread.h>
#include <stdio.h>

static void *add(void *x)
{
    for (int i = 0; i < 1000; i++) *(double *)x += 1;
    return NULL;
}

int main(void)
{
    double x = 0;
    pthread_t other;
    if (pthread_create(&other, NULL, add, &x) != 0) return 1;
    add(&x);
    pthread_join(other, NULL);
    printf("%g\n", x);
    return 0;
}
