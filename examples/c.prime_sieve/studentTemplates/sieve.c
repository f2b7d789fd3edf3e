#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    /* Read n, find the primes, print them. */
    return 0;
}
