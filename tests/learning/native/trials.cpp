// Prints the hash of each of the library's trials, one a line: the same for every compiler and processor.
#include <stdio.h>

#include "idml_native.h"

int main() {
  fprintf(stderr, "%s\n", idml_instruction_set());
  for (int32_t number = 0; number < idml_trials(); number++) printf("%016llx\n", (unsigned long long)idml_trial(number));
}
