#include "http/parser.hpp"

#include "http/target.hpp"
#include "http/text.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace sandboxd::http {
namespace {

namespace beast = boost::beast;
using beast::error_code;
using beast::string_view;

// Reserving what a Content-Length merely promises would let a client claim memory without sending anything.
constexpr std::size_t kReserveMax = 64 * 1024;

// What requests and responses share: the body's collection and limit, and faults.
template <bool kIsRequest>
class Core : public beast::http::basic_parser<kIsRequest> {
 public:
  using Base = beast::http::basic_parser<kIsRequest>;

  explicit Core(std::size_t header_bytes_max) : header_bytes_max_(header_bytes_max) {
    this->header_limit(static_cast<std::uint32_t>(header_bytes_max));
    this->body_limit(boost::none);  // ours counts in add(): it is set after the header
  }

  std::size_t feed_some(std::string_view bytes) {
    std::size_t used = 0;
    const bool had_header = this->is_header_done();
    while (fault == ParseFault::none && !this->is_done() && used < bytes.size()) {
      const std::string_view rest = bytes.substr(used);
      if (!this->is_header_done() && must_wait(rest)) break;
      error_code error;
      is_chunk_line_ = false;
      if (this->is_header_done()) make_room(rest.size());
      const std::size_t count = this->put(boost::asio::const_buffer(rest.data(), rest.size()), error);
      used += count;
      // A chunk's size line or a trailer may be incomplete for ever; the buffer it waits in must not grow without end.
      // One that came in one piece has the same limit.
      const std::size_t line = error == beast::http::error::need_more ? bytes.size() - used
                               : is_chunk_line_                       ? count
                                                                      : 0;
      if (line > header_bytes_max_) error = beast::http::error::header_limit;
      if (error == beast::http::error::need_more) break;
      if (error) set_fault(error);
      if (!had_header && this->is_header_done()) break;
    }
    return used;
  }

  void limit_body(std::size_t bytes) {
    body_bytes_max = bytes;
    const auto length = this->content_length();
    if (body.size() > bytes || (length && *length > bytes)) fault = ParseFault::body_too_large;
  }

  [[nodiscard]] std::optional<std::uint64_t> length() const {
    const auto announced = this->content_length();
    return announced ? std::optional<std::uint64_t>(*announced) : std::nullopt;
  }

  void set_fault(const error_code& error) {
    if (fault != ParseFault::none) return;
    fault = error == beast::http::error::header_limit ? ParseFault::header_too_large : ParseFault::malformed;
    if (fault_text.empty()) fault_text = error.message();
  }

  ParseFault fault = ParseFault::none;
  std::string fault_text;
  std::string body;
  std::size_t body_total = 0;
  std::size_t body_bytes_max = std::numeric_limits<std::size_t>::max();
  int version = 11;

 protected:
  void on_request_impl(beast::http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
    if (length) body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*length, kReserveMax)));
  }
  std::size_t on_body_impl(string_view piece, error_code& error) override { return add(piece, error); }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view piece, error_code& error) override {
    return add(piece, error);
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override { is_chunk_line_ = true; }
  void on_header_impl(error_code&) override {}
  void on_finish_impl(error_code&) override {}

 private:
  // Beast starts a line anew with every put(): a client that sends one byte at a time would cost the square of the
  // line's length. So nothing is tried before a line has ended or cannot end within the limit.
  bool must_wait(std::string_view rest) {
    if (rest.size() >= header_bytes_max_) return false;
    const bool has_line = rest.find('\n', std::min(scanned_, rest.size())) != std::string_view::npos;
    scanned_ = has_line ? 0 : rest.size();
    return !has_line;
  }

  // For what is there, so that a body in many pieces does not grow by copying.
  void make_room(std::size_t count) {
    const std::size_t size = body.size() + count;
    if (size > body.capacity()) body.reserve(std::max(size, 2 * body.capacity()));
  }

  std::size_t add(string_view piece, error_code& error) {
    if (piece.size() > body_bytes_max - body_total) {
      fault = ParseFault::body_too_large;
      error = beast::http::error::body_limit;
      return 0;
    }
    body.append(piece.data(), piece.size());
    body_total += piece.size();
    return piece.size();
  }

  std::size_t header_bytes_max_;
  std::size_t scanned_ = 0;
  bool is_chunk_line_ = false;  // what the last put() took was a chunk's size line, or the end with its trailers
};

}  // namespace

// ---- requests

class RequestParser::Impl {
 public:
  class Parser final : public Core<true> {
   public:
    using Core::Core;

    Request request;
    bool expects_continue = false;
    bool streams_body = false;

   private:
    void on_request_impl(beast::http::verb, string_view method, string_view target, int v, error_code& error) override {
      version = v;
      request.method.assign(method.data(), method.size());
      if (!set_target(request, std::string_view(target.data(), target.size()))) {
        error = beast::http::error::bad_target;
      }
    }
    void on_field_impl(beast::http::field name, string_view text, string_view value, error_code& error) override {
      if (is_header_done()) return;  // trailers are not headers
      if (name == beast::http::field::host) {
        if (std::exchange(has_host_, true)) {
          fault_text = "two Host fields";
          error = beast::http::error::bad_field;
          return;
        }
        // The host of an absolute target wins over the field (RFC 9112, section 3.2.2).
        if (!request.header("Host").empty()) return;
      }
      if (name == beast::http::field::expect) {
        expects_continue = equals_ignoring_case({value.data(), value.size()}, "100-continue");
      }
      has_transfer_encoding_ |= name == beast::http::field::transfer_encoding;
      request.headers.emplace(std::string(text.data(), text.size()), std::string(value.data(), value.size()));
    }
    void on_header_impl(error_code& error) override {
      if (has_transfer_encoding_ && (!chunked() || version < 11)) error = beast::http::error::bad_transfer_encoding;
      if (!has_host_ && version >= 11) {
        fault_text = "no Host field";
        error = beast::http::error::bad_field;
      }
    }

    bool has_host_ = false;
    bool has_transfer_encoding_ = false;
  };

  explicit Impl(std::size_t limit) : header_bytes_max(limit) { parser.emplace(limit); }

  std::size_t header_bytes_max;
  std::optional<Parser> parser;
};

RequestParser::RequestParser(std::size_t header_bytes_max) : impl_(std::make_unique<Impl>(header_bytes_max)) {}
RequestParser::~RequestParser() = default;

void RequestParser::reset() { impl_->parser.emplace(impl_->header_bytes_max); }

std::size_t RequestParser::feed(std::string_view bytes) {
  auto& parser = *impl_->parser;
  const std::size_t used = parser.feed_some(bytes);
  if (parser.is_done() && !parser.streams_body) parser.request.body = std::move(parser.body);
  return used;
}

bool RequestParser::has_header() const { return impl_->parser->is_header_done(); }
bool RequestParser::is_done() const { return impl_->parser->is_done() && fault() == ParseFault::none; }
ParseFault RequestParser::fault() const { return impl_->parser->fault; }
std::string RequestParser::fault_text() const { return impl_->parser->fault_text; }
Request& RequestParser::request() { return impl_->parser->request; }
void RequestParser::set_body_limit(std::size_t bytes) { impl_->parser->limit_body(bytes); }
bool RequestParser::keep_alive() const { return impl_->parser->keep_alive(); }
bool RequestParser::is_http_1_1() const { return impl_->parser->version >= 11; }
bool RequestParser::expects_continue() const { return impl_->parser->expects_continue; }
std::optional<std::uint64_t> RequestParser::content_length() const { return impl_->parser->length(); }

void RequestParser::stream_body() {
  auto& parser = *impl_->parser;
  parser.streams_body = true;
  // What was done with the header is there already.
  if (parser.is_done()) parser.body = std::exchange(parser.request.body, {});
}

std::string RequestParser::take_body() { return std::exchange(impl_->parser->body, {}); }

// ---- responses

class ResponseParser::Impl final : public Core<false> {
 public:
  using Core::Core;

  int status = 0;
  std::string content_type;
  Headers headers;

 private:
  void on_response_impl(int code, string_view, int v, error_code&) override {
    status = code;
    version = v;
  }
  void on_field_impl(beast::http::field name, string_view text, string_view value, error_code&) override {
    if (is_header_done()) return;  // trailers are not headers
    if (name == beast::http::field::content_type) content_type.assign(value.data(), value.size());
    headers.emplace(std::string(text.data(), text.size()), std::string(value.data(), value.size()));
  }
};

ResponseParser::ResponseParser(std::size_t header_bytes_max, bool has_body)
    : impl_(std::make_unique<Impl>(header_bytes_max)) {
  if (!has_body) impl_->skip(true);
}
ResponseParser::~ResponseParser() = default;

std::size_t ResponseParser::feed(std::string_view bytes) { return impl_->feed_some(bytes); }

void ResponseParser::feed_end() {
  if (impl_->is_done() || impl_->fault != ParseFault::none) return;
  error_code error = beast::http::error::partial_message;
  if (impl_->is_header_done()) impl_->put_eof(error);
  if (error) impl_->set_fault(error);
}

bool ResponseParser::has_header() const { return impl_->is_header_done(); }
bool ResponseParser::is_done() const { return impl_->is_done() && fault() == ParseFault::none; }
ParseFault ResponseParser::fault() const { return impl_->fault; }
std::string ResponseParser::fault_text() const { return impl_->fault_text; }
int ResponseParser::status() const { return impl_->status; }
const std::string& ResponseParser::content_type() const { return impl_->content_type; }
Headers& ResponseParser::headers() { return impl_->headers; }
bool ResponseParser::keep_alive() const { return impl_->keep_alive(); }
std::optional<std::uint64_t> ResponseParser::content_length() const { return impl_->length(); }
void ResponseParser::set_body_limit(std::size_t bytes) { impl_->limit_body(bytes); }
std::string ResponseParser::take_body() { return std::exchange(impl_->body, {}); }

}  // namespace sandboxd::http
