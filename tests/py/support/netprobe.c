// What the network tests run inside a sandbox: sends one packet or opens one connection and says what came of it.
//
//   netprobe serve PORT [first COMMAND]   answers one command a line on PORT/tcp, for the tests; echoes on PORT/udp
//   netprobe COMMAND                      prints the answer to one command
//
// Commands (answers: "open <reply>", "refused", "prohibited", "silent", "sent", or the name of an error):
//   tcp ADDRESS PORT [OWN_PORT]   connects (from OWN_PORT), says hello, waits for a reply
//   udp ADDRESS PORT              sends a datagram, waits for a reply
//   frame HEX                     sends these bytes as an Ethernet frame through eth0
//   flood ADDRESS PORT BYTES      connects, sends so many bytes and waits until the other side has ended
//   drain ADDRESS PORT            connects and reads to the end; answers "read <bytes>"
//   absorb                        served only: reads the same connection to its end; answers "read <bytes>"
//
// `first` runs its command before anything else that the process does and prints the answer.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 1000 };

static const char* failure(int number) {
  if (number == ECONNREFUSED) return "refused";
  if (number == EACCES || number == EHOSTUNREACH || number == ENETUNREACH) return "prohibited";
  if (number == ETIMEDOUT || number == EINPROGRESS || number == EAGAIN) return "silent";
  return strerrorname_np(number);
}

static struct sockaddr_in endpoint(const char* address, int port) {
  struct sockaddr_in out = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, address, &out.sin_addr) != 1) exit(2);
  return out;
}

// Waits for a reply on a connected socket and words the outcome.
static void hear(int fd, char* answer, size_t size) {
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  if (poll(&wait, 1, PATIENCE_MS) == 0) {
    snprintf(answer, size, "silent");
    return;
  }
  char reply[256];
  const ssize_t n = recv(fd, reply, sizeof reply - 1, 0);
  if (n < 0) {
    snprintf(answer, size, "%s", failure(errno));
    return;
  }
  snprintf(answer, size, "open %.*s", (int)n, reply);
}

static void ask(int kind, const char* address, int port, int own_port, char* answer, size_t size) {
  const int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0);
  const struct timeval patience = {.tv_usec = PATIENCE_MS * 1000 - 1};
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);  // of connect(), too
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(own_port)};
  const struct sockaddr_in peer = endpoint(address, port);
  if ((own_port != 0 && bind(fd, (const struct sockaddr*)&own, sizeof own) != 0) ||
      connect(fd, (const struct sockaddr*)&peer, sizeof peer) != 0 || send(fd, "hello", 5, MSG_NOSIGNAL) != 5) {
    snprintf(answer, size, "%s", failure(errno));
  } else {
    hear(fd, answer, size);
  }
  close(fd);
}

static void send_frame(const char* hex, char* answer, size_t size) {
  unsigned char bytes[1600];
  size_t length = 0;
  unsigned byte = 0;
  for (; length < sizeof bytes && sscanf(hex + 2 * length, "%2x", &byte) == 1; ++length) bytes[length] = byte;
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  const struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("eth0")};
  const int sent =
      fd >= 0 && sendto(fd, bytes, length, 0, (const struct sockaddr*)&link, sizeof link) == (ssize_t)length;
  snprintf(answer, size, "%s", sent ? "sent" : strerrorname_np(errno));
  if (fd >= 0) close(fd);
}

static long read_to_end(int fd) {
  static char buffer[1 << 16];
  long total = 0;
  for (ssize_t n; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) total += n;
  return total;
}

static void move_bytes(const char* address, int port, long bytes, char* answer, size_t size) {
  static const char zeros[1 << 16];
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const struct sockaddr_in peer = endpoint(address, port);
  int failed = connect(fd, (const struct sockaddr*)&peer, sizeof peer) != 0;
  while (!failed && bytes > 0) {
    const ssize_t n = send(fd, zeros, bytes < (long)sizeof zeros ? (size_t)bytes : sizeof zeros, MSG_NOSIGNAL);
    failed = n <= 0;
    bytes -= n;
  }
  if (failed) {
    snprintf(answer, size, "%s", failure(errno));
  } else {
    shutdown(fd, SHUT_WR);
    snprintf(answer, size, "read %ld", read_to_end(fd));
  }
  close(fd);
}

static void run(const char* command, char* answer, size_t size) {
  char kind[8] = "";
  char address[4096] = "";
  int port = 0;
  int last = 0;
  sscanf(command, "%7s %4095s %d %d", kind, address, &port, &last);
  snprintf(answer, size, "unknown command");
  if (strcmp(kind, "tcp") == 0) ask(SOCK_STREAM, address, port, last, answer, size);
  if (strcmp(kind, "udp") == 0) ask(SOCK_DGRAM, address, port, 0, answer, size);
  if (strcmp(kind, "frame") == 0) send_frame(address, answer, size);
  if (strcmp(kind, "flood") == 0) move_bytes(address, port, last, answer, size);
  if (strcmp(kind, "drain") == 0) move_bytes(address, port, 0, answer, size);
}

static int bound(int kind, int port) {
  const int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0);
  const int on = 1;
  const struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (const struct sockaddr*)&own, sizeof own) != 0) exit(3);
  return fd;
}

static void serve_connection(int listener) {
  const int fd = accept(listener, NULL, NULL);
  if (fd < 0) return;
  char line[4200];
  char answer[512];
  const ssize_t n = recv(fd, line, sizeof line - 1, 0);
  if (n > 0) {
    line[n] = 0;
    // A probe of another sandbox says hello; everything else is the tests'.
    if (strcmp(line, "hello") == 0) {
      snprintf(answer, sizeof answer, "hello");
    } else if (strncmp(line, "absorb", 6) == 0) {
      snprintf(answer, sizeof answer, "read %ld", n + read_to_end(fd));
    } else {
      run(line, answer, sizeof answer);
    }
    send(fd, answer, strlen(answer), MSG_NOSIGNAL);
  }
  close(fd);
}

static void serve(int port) {
  const int streams = bound(SOCK_STREAM, port);
  const int datagrams = bound(SOCK_DGRAM, port);
  if (listen(streams, 16) != 0) exit(3);
  for (;;) {
    struct pollfd waits[2] = {{.fd = streams, .events = POLLIN}, {.fd = datagrams, .events = POLLIN}};
    poll(waits, 2, -1);
    if (waits[0].revents != 0) serve_connection(streams);
    if (waits[1].revents == 0) continue;
    char data[256];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    const ssize_t n = recvfrom(datagrams, data, sizeof data, 0, (struct sockaddr*)&from, &size);
    if (n >= 0) sendto(datagrams, data, n, 0, (const struct sockaddr*)&from, size);
  }
}

int main(int argc, char** argv) {
  char command[4200] = "";
  char answer[512];
  const int serving = argc >= 3 && strcmp(argv[1], "serve") == 0;
  for (int i = serving ? 4 : 1; i < argc; ++i) {
    strncat(command, argv[i], sizeof command - strlen(command) - 2);
    strcat(command, " ");
  }
  if (command[0] != 0) {
    run(command, answer, sizeof answer);
    printf("%s\n", answer);
    fflush(stdout);
  }
  if (serving) serve(atoi(argv[2]));
  return 0;
}
