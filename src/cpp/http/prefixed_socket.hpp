// A socket with bytes that were already received from it, which are read first.
#pragma once

#include <boost/asio/append.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace sandboxd::http {

class PrefixedSocket {
 public:
  using executor_type = boost::asio::any_io_executor;

  PrefixedSocket(boost::asio::ip::tcp::socket socket, std::string received)
      : socket_(std::move(socket)), received_(std::move(received)) {}

  [[nodiscard]] executor_type get_executor() { return socket_.get_executor(); }
  [[nodiscard]] boost::asio::ip::tcp::socket& socket() { return socket_; }

  // What Asio calls an AsyncReadStream and an AsyncWriteStream.
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(Read{this}, token, buffers);
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return socket_.async_write_some(buffers, std::forward<Token>(token));
  }

 private:
  struct Read {
    PrefixedSocket* self;
    using executor_type = boost::asio::any_io_executor;
    [[nodiscard]] executor_type get_executor() const noexcept { return self->socket_.get_executor(); }
    template <class Completion, class Buffers>
    void operator()(Completion&& completion, const Buffers& buffers) const {
      if (self->received_.empty()) {
        self->socket_.async_read_some(buffers, std::forward<Completion>(completion));
        return;
      }
      const std::size_t count = boost::asio::buffer_copy(buffers, boost::asio::buffer(self->received_));
      self->received_.erase(0, count);
      boost::asio::post(self->socket_.get_executor(),
                        boost::asio::append(std::forward<Completion>(completion), boost::system::error_code(), count));
    }
  };

  boost::asio::ip::tcp::socket socket_;
  std::string received_;
};

}  // namespace sandboxd::http
