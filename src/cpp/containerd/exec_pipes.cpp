#include "containerd/exec_pipes.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>
#include <utility>

namespace sandboxd::containerd {

namespace asio = boost::asio;

namespace {

// What is missing here is nothing that the command wants.
Error failed(int number, const std::string& what) {
  return {ErrorCode::storage_failed, errno_error(number, what).message()};
}

Result<int> make_pipe(const std::string& path, int flags) {
  if (mkfifo(path.c_str(), 0600) != 0) return failed(errno, "make pipe " + path);
  const int fd = ::open(path.c_str(), flags | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return failed(errno, "open pipe " + path);
  return fd;
}

}  // namespace

Result<std::unique_ptr<ExecPipes>> ExecPipes::make(asio::any_io_executor executor, const std::string& directory,
                                                   bool has_stdin, bool has_stderr) {
  std::unique_ptr<ExecPipes> pipes(new ExecPipes(executor));
  SBX_CHECK(pipes->open(directory, has_stdin, has_stderr));
  return pipes;
}

ExecPipes::~ExecPipes() {
  if (in_reader_ >= 0) ::close(in_reader_);
}

Result<void> ExecPipes::open(const std::string& directory, bool has_stdin, bool has_stderr) {
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure) return failed(failure.value(), "create " + directory);
  paths_.directory = directory;
  paths_.out = directory + "/out";
  SBX_TRY(out, make_pipe(paths_.out, O_RDONLY));
  out_.assign(out);
  if (has_stderr) {
    paths_.err = directory + "/err";
    SBX_TRY(err, make_pipe(paths_.err, O_RDONLY));
    err_.assign(err);
  }
  if (!has_stdin) return {};
  paths_.in = directory + "/in";
  SBX_TRY(reader, make_pipe(paths_.in, O_RDONLY));
  in_reader_ = reader;
  const int in = ::open(paths_.in.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (in < 0) return failed(errno, "open pipe " + paths_.in);
  in_.assign(in);
  return {};
}

void ExecPipes::opened() {
  if (in_reader_ >= 0) ::close(std::exchange(in_reader_, -1));
}

Task<std::string> ExecPipes::read(bool is_stderr, std::size_t most) {
  auto& from = is_stderr ? err_ : out_;
  if (!from.is_open()) co_return std::string();
  std::string bytes(most, '\0');
  const auto [failure, n] = co_await from.async_read_some(asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
  bytes.resize(failure ? 0 : n);
  co_return bytes;
}

// Python, whose process this is, ignores SIGPIPE.
Task<Result<void>> ExecPipes::write(std::string bytes) {
  const Error closed(ErrorCode::conflict, "the command takes no more input: it closed its stdin, or has ended");
  if (!in_.is_open()) co_return closed;
  const auto [failure, n] = co_await asio::async_write(in_, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
  if (failure) co_return closed;
  co_return Result<void>();
}

void ExecPipes::close_stdin() {
  boost::system::error_code ignored;
  in_.close(ignored);
}

void ExecPipes::close() {
  boost::system::error_code ignored;
  in_.close(ignored);
  out_.close(ignored);
  err_.close(ignored);
}

}  // namespace sandboxd::containerd
