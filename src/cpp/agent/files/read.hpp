// A range of a file, in slices.
#pragma once

#include "agent/files/acting.hpp"

namespace sandboxd::agent {

class ReadCall : public Call {
 public:
  static void open(const Acting& acting, const Read& read, Channel& channel);
  ReadCall(Fd file, FileStatus status, const Read& read)
      : file_(std::move(file)), status_(std::move(status)), offset_(read.offset), left_(read.length) {}
  bool step(Channel& channel) override;

 private:
  Fd file_;
  FileStatus status_;
  std::uint64_t offset_;
  std::uint64_t left_;
};

}  // namespace sandboxd::agent
