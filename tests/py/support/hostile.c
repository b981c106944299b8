// What a hostile workload does, one word each. Static, so that it runs in an image without a libc.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// Opens `wanted` sockets and says how many there were and why no more.
static void sockets(long wanted) {
  long made = 0;
  while (made < wanted && socket(AF_INET, SOCK_STREAM, 0) >= 0) ++made;
  printf("sockets %ld %s\n", made, made == wanted ? "all" : strerror(errno));
}

// Children without end, each of which makes more.
static void forks(void) {
  for (;;) {
    if (fork() < 0) usleep(1000);
  }
}

static void memory(void) {
  for (;;) {
    char* block = malloc(1 << 20);
    if (block != NULL) memset(block, 1, 1 << 20);
  }
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (strcmp(what, "deaf") == 0) {
    for (int number = 1; number < 32; ++number) signal(number, SIG_IGN);
    printf("deaf\n");
  } else if (strcmp(what, "sockets") == 0) {
    sockets(argc > 2 ? atol(argv[2]) : 100000);
  } else if (strcmp(what, "forks") == 0) {
    printf("forks\n");
    forks();
  } else if (strcmp(what, "memory") == 0) {
    printf("memory\n");
    memory();
  } else {
    return 2;
  }
  for (;;) pause();
}
