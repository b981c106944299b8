// The named pipes between a process that a shim started and this node. Private to this folder.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <memory>
#include <string>

namespace sandboxd::containerd {

struct ExecPaths {
  std::string directory;
  std::string in;  // empty: no such pipe
  std::string out;
  std::string err;
};

class ExecPipes {
 public:
  // Makes directory and pipes, and opens our ends. Blocks a moment. Errors: storage_failed.
  [[nodiscard]] static Result<std::unique_ptr<ExecPipes>> make(boost::asio::any_io_executor executor,
                                                               const std::string& directory, bool has_stdin,
                                                               bool has_stderr);
  ~ExecPipes();
  ExecPipes(const ExecPipes&) = delete;
  ExecPipes& operator=(const ExecPipes&) = delete;

  [[nodiscard]] const ExecPaths& paths() const { return paths_; }
  // The shim has opened its ends: from now on they may be read, and whether anybody reads its stdin can be told.
  void opened();
  // None: the end, also after close().
  [[nodiscard]] Task<std::string> read(bool is_stderr, std::size_t most);
  // Errors: conflict, when nobody reads it.
  [[nodiscard]] Task<Result<void>> write(std::string bytes);
  void close_stdin();
  void close();

 private:
  explicit ExecPipes(const boost::asio::any_io_executor& executor) : in_(executor), out_(executor), err_(executor) {}
  Result<void> open(const std::string& directory, bool has_stdin, bool has_stderr);

  ExecPaths paths_;
  boost::asio::posix::stream_descriptor in_;
  boost::asio::posix::stream_descriptor out_;
  boost::asio::posix::stream_descriptor err_;
  int in_reader_ = -1;  // until the shim has its own: a pipe that nobody reads cannot be opened for writing
};

}  // namespace sandboxd::containerd
