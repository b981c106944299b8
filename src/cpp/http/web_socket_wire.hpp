// The handshakes of WebSockets. Inner part of session_switch.cpp and client.cpp: they need not see Beast.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "http/byte_stream.hpp"
#include "http/message.hpp"
#include "http/web_socket.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::http {

// Answers the request of `answer`, which was read from `bytes`. `headers` go into the answer.
[[nodiscard]] Task<Result<std::shared_ptr<WebSocket>>> serve_web_socket(
    std::shared_ptr<ByteStream> bytes, std::shared_ptr<const WebSocketAnswer> answer,
    std::vector<std::pair<std::string, std::string>> headers);

// Asks for a WebSocket on a connection that is open. `authority` becomes the Host header. Errors: unavailable,
// protocol_error; a refusal is the error that its X-Sandboxd-Error or its status means, with the body as text;
// deadline_exceeded.
[[nodiscard]] Task<Result<std::shared_ptr<WebSocket>>> request_web_socket(
    std::shared_ptr<ByteStream> bytes, std::string authority, std::string target,
    std::vector<std::pair<std::string, std::string>> headers, WebSocketOptions options,
    std::chrono::steady_clock::time_point deadline);

}  // namespace sandboxd::http
