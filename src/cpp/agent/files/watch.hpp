// What happens to files, by inotify. Recursive: a watch for every directory, also those that come.
#pragma once

#include "agent/files/acting.hpp"
#include "agent/loop.hpp"

#include <map>
#include <string>

namespace sandboxd::agent {

class WatchCall : public Call {
 public:
  static constexpr std::size_t kWatchesMax = 8192;

  static void open(const Acting& acting, const Watch& watch, Loop& loop, Channel& channel);
  WatchCall(const Acting& acting, bool recursive, Loop& loop, Channel& channel)
      : acting_(acting), recursive_(recursive), loop_(loop), channel_(channel) {}
  ~WatchCall() override;

  void on_cancel(Channel& channel) override { channel.reply(Empty{}); }
  bool step(Channel& channel) override;

 private:
  [[nodiscard]] Problem start();
  // `below` the watched path; empty: itself. What a new directory holds by then was made unseen: it is told.
  [[nodiscard]] Problem add(const std::string& below, bool tells);
  void take(int watch, std::uint32_t mask, const std::string& name);
  void tell(Change change, const std::string& path);
  void tell_overflow();
  void send_told(Channel& channel);

  Acting acting_;
  bool recursive_;
  Loop& loop_;
  Channel& channel_;
  Fd inotify_;
  std::map<int, std::string> watches_;
  std::deque<FileEvent> told_;  // waits for credit
  bool is_overflown_ = false;
};

}  // namespace sandboxd::agent
