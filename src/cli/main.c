#include <stdio.h>

int main(void) {
    puts("pbt " PBT_VERSION);
    return 0;
}
