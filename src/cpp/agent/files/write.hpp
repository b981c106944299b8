// A new file beside the one that it replaces at the end.
#pragma once

#include "agent/files/acting.hpp"

namespace sandboxd::agent {

class WriteCall : public Call {
 public:
  static void open(const Acting& acting, const Write& write, Channel& channel);
  WriteCall(const Acting& acting, const Write& write, Channel& channel)
      : acting_(acting), write_(write), channel_(channel), target_(acting.path) {}
  ~WriteCall() override;

  [[nodiscard]] bool takes_data() const override { return true; }
  void on_data(std::string_view bytes) override;
  void on_eof() override;
  bool step(Channel&) override { return false; }

 private:
  [[nodiscard]] Problem prepare();
  [[nodiscard]] Problem follow_links();
  [[nodiscard]] Problem finish(FileStatus& status);

  Acting acting_;
  Write write_;
  Channel& channel_;
  std::string target_;     // where the last symbolic link leads
  std::string temporary_;  // empty: there is none
  Fd file_;
  bool replaces_ = false;
  struct stat replaced_{};
};

}  // namespace sandboxd::agent
