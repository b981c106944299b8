// Clients, servers and raw frames for the network tests, as blocking functions for the calling thread's namespace.
// What is refused answers at once; only a packet that is dropped silently costs a time limit.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace sandboxd::test {

inline constexpr std::chrono::milliseconds kSilence{400};    // nothing comes any more
inline constexpr std::chrono::milliseconds kPatience{5000};  // something must come

// Echoes what it gets, with the client's address in front: "<address> <text>". Lives in the namespace of the thread
// that makes it.
class EchoServer {
 public:
  enum class Kind { tcp, udp };
  // In the namespace at `path`; empty: the caller's. A UDP server on 0.0.0.0 answers from whichever address the route
  // prefers: where the namespace has several, name one.
  EchoServer(const std::string& path, Kind kind, const std::string& address, int port);
  ~EchoServer();
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;

 private:
  void serve_tcp();
  void serve_udp();

  Kind kind_;
  int fd_ = -1;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// "<client's address as the server saw it> <text>", or why not: "refused", "prohibited" (an ICMP answer), "silent".
std::string tcp_ask(const std::string& address, int port, const std::string& text = "hello");
std::string udp_ask(const std::string& address, int port, const std::string& text = "hello");

// The same from inside a namespace.
std::string tcp_ask_from(const std::string& path, const std::string& address, int port);
std::string udp_ask_from(const std::string& path, const std::string& address, int port);

// Sends one Ethernet frame out of `interface` of the calling thread's namespace.
void send_frame(const std::string& interface, const std::vector<std::uint8_t>& frame);

struct FrameEnds {
  std::vector<std::uint8_t> source_mac;
  std::vector<std::uint8_t> target_mac;
  std::string source_ip;
  std::string target_ip;
};
// A UDP datagram to port 4000 and an ARP reply that claims `source_ip`.
std::vector<std::uint8_t> udp_frame(const FrameEnds& ends);
std::vector<std::uint8_t> arp_frame(const FrameEnds& ends);
std::vector<std::uint8_t> mac_bytes(const std::string& text);

}  // namespace sandboxd::test
