// A WebSocket server of RFC 6455 for tests: sends every text and binary message back, answers pings and closes.
//
//   web_socket_echo PORT ACCEPT    ACCEPT: the Sec-WebSocket-Accept for the only key that its client uses
#define _GNU_SOURCE  // strcasestr
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t payload[1 << 20];

static int take(int fd, void* into, size_t count) {
  for (size_t got = 0; got < count;) {
    const ssize_t n = read(fd, (uint8_t*)into + got, count - got);
    if (n <= 0) return 0;
    got += (size_t)n;
  }
  return 1;
}

static int give(int fd, const void* from, size_t count) {
  for (size_t sent = 0; sent < count;) {
    const ssize_t n = write(fd, (const uint8_t*)from + sent, count - sent);
    if (n <= 0) return 0;
    sent += (size_t)n;
  }
  return 1;
}

static int switch_protocol(int fd, const char* accept) {
  char head[8192];
  size_t size = 0;
  while (size < sizeof head - 1 && take(fd, head + size, 1)) {
    head[++size] = 0;
    if (size >= 4 && strcmp(head + size - 4, "\r\n\r\n") == 0) break;
  }
  if (strcasestr(head, "\r\nUpgrade: websocket\r\n") == NULL) {
    const char* no = "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    give(fd, no, strlen(no));
    return 0;
  }
  size = (size_t)snprintf(head, sizeof head,
                          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Accept: %s\r\n\r\n",
                          accept);
  return give(fd, head, size);
}

static uint64_t number(const uint8_t* bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

// One frame of the client, unmasked, goes back as one of the server. 0 at the end.
static int answer(int fd) {
  uint8_t head[14];
  if (!take(fd, head, 2) || (head[1] & 0x80) == 0) return 0;
  uint64_t size = head[1] & 0x7f;
  const int more = size == 126 ? 2 : size == 127 ? 8 : 0;
  if (more != 0 && !take(fd, head + 2, (size_t)more)) return 0;
  if (more != 0) size = number(head + 2, more);
  uint8_t mask[4];
  if (size > sizeof payload || !take(fd, mask, 4) || !take(fd, payload, size)) return 0;
  for (uint64_t i = 0; i < size; ++i) payload[i] ^= mask[i % 4];
  const int kind = head[0] & 15;
  head[0] = (uint8_t)((head[0] & 0xf0) | (kind == 9 ? 10 : kind));
  head[1] &= 0x7f;
  if (!give(fd, head, 2 + (size_t)more) || !give(fd, payload, size)) return 0;
  return kind != 8;
}

int main(int count, char** words) {
  if (count < 3) return 2;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 8) != 0) return 1;
  for (;;) {
    const int fd = accept(listener, NULL, NULL);
    if (fd < 0) return 1;
    if (switch_protocol(fd, words[2])) {
      while (answer(fd)) {
      }
    }
    close(fd);
  }
}
