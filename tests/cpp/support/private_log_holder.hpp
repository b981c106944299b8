// The real holder process, real FIFOs and files, in a directory of its own; and an agent's client of it that comes and
// goes. At its end the process has ended and the directory is gone.
#pragma once

#include "aio/system_clock.hpp"
#include "logs/holder_protocol.hpp"
#include "logs/log_holder_client.hpp"
#include "proc/posix_runner.hpp"
#include "support/run_task.hpp"
#include "support/temp_dir.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <sys/file.h>
#include <unistd.h>
#include <utility>

namespace sandboxd::test {

class PrivateLogHolder {
 public:
  // `program`: of sandboxd-logholder.
  explicit PrivateLogHolder(std::string program) {
    options_.program = std::move(program);
    options_.run_dir = root_.path() + "/run";
    options_.data_dir = root_.path() + "/data";
    std::filesystem::create_directories(options_.run_dir);
    std::filesystem::create_directories(options_.data_dir);
    connect();
  }
  ~PrivateLogHolder() {
    if (!client_) connect();
    const auto ended = run(client_->shut_down_holder());
    EXPECT_TRUE(ended) << ended.error().message();
    disconnect();
    wait_unlocked();
  }
  PrivateLogHolder(const PrivateLogHolder&) = delete;
  PrivateLogHolder& operator=(const PrivateLogHolder&) = delete;

  void connect() {
    client_ = std::make_unique<logs::LogHolderClient>(context_.get_executor(), clock_, runner_, options_);
    const auto started = run(client_->start());
    ASSERT_TRUE(started) << started.error().message();
  }
  // The holder goes on.
  void disconnect() {
    run_task(context_, client_->stop());
    client_.reset();
  }
  template <class T>
  T run(Task<T> task) {
    return run_task(context_, std::move(task));
  }
  // What a container's shim does: opens the FIFO and writes until all is taken.
  static void write_all(const std::string& fifo, std::string_view bytes) {
    const int fd = ::open(fifo.c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_GE(fd, 0) << fifo;
    while (!bytes.empty()) {
      const ssize_t count = ::write(fd, bytes.data(), bytes.size());
      ASSERT_GT(count, 0);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    ::close(fd);
  }
  // The holder's process, which waits on nobody: found through the lock that it has. 0: none.
  [[nodiscard]] pid_t holder_pid() const {
    namespace fs = std::filesystem;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      std::error_code gone;
      for (const auto& fd : fs::directory_iterator("/proc/" + name + "/fd", gone)) {
        if (fs::read_symlink(fd.path(), gone) == logs::holder_lock(options_.run_dir)) return std::stoi(name);
      }
    }
    return 0;
  }
  // Until the holder has ended.
  void wait_unlocked() const {
    const int fd = ::open(logs::holder_lock(options_.run_dir).c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    ::flock(fd, LOCK_EX);
    ::close(fd);
  }

 protected:
  TempDir root_;
  boost::asio::io_context context_;
  aio::SystemClock clock_;
  proc::PosixRunner runner_;
  logs::LogHolderOptions options_;
  std::unique_ptr<logs::LogHolderClient> client_;
};

}  // namespace sandboxd::test
