/* exp, log and tanh over vectors. Declared like this, a loop under VECTOR_LOOP calls glibc's vector
 * versions (tanh 0.8 instead of 8 ns), without -ffast-math; their errors are below 4 units in the last place.
 * Elsewhere the same loops call the scalar functions. */
#ifndef ASCENT_VECTOR_MATH_H
#define ASCENT_VECTOR_MATH_H

#include <math.h>

#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 35)
double exp(double x)  __attribute__((simd("notinbranch")));
double log(double x)  __attribute__((simd("notinbranch")));
double tanh(double x) __attribute__((simd("notinbranch")));
#define VECTOR_LOOP _Pragma("omp simd")
#endif
#endif

#ifndef VECTOR_LOOP
#define VECTOR_LOOP
#endif

#endif
