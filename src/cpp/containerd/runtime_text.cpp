#include "containerd/runtime_text.hpp"

#include "base/limits.hpp"
#include "containerd/registry_auth.hpp"

#include <algorithm>
#include <initializer_list>

namespace sandboxd::containerd {

namespace {

constexpr std::string_view kLayers[] = {"failed to create containerd task: ",
                                        "failed to create shim task: ",
                                        "failed to start shim: ",
                                        "failed to create shim: ",
                                        "OCI runtime create failed: ",
                                        "OCI runtime start failed: ",
                                        "OCI runtime exec failed: ",
                                        "exec failed: ",
                                        "runc create failed: ",
                                        "unable to start container process: ",
                                        "creating container: ",
                                        "starting container: ",
                                        "starting root container: ",
                                        "starting sub-container: ",
                                        "cannot create sandbox: ",
                                        "cannot start sandbox: ",
                                        "urpc method \"containerManager.StartRoot\" failed: ",
                                        "urpc method \"containerManager.StartSubcontainer\" failed: ",
                                        "rpc error: code = Unknown desc = ",
                                        "rpc error: code = NotFound desc = "};

std::string printable(std::string_view text) {
  std::string out(text.substr(0, limits::kErrorTextMax));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string_view strip_suffix(std::string_view text) {
  for (const std::string_view suffix : {": unknown", ": not found"}) {
    if (text.size() > suffix.size() && text.ends_with(suffix)) text.remove_suffix(suffix.size());
  }
  return text;
}

}  // namespace

std::string clean_runtime_text(std::string_view text) {
  text = strip_suffix(text);
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view layer : kLayers) {
      if (text.size() <= layer.size() || !text.starts_with(layer)) continue;
      text.remove_prefix(layer.size());
      again = true;
    }
  }
  return printable(text);
}

std::string clean_pull_text(std::string_view text) {
  for (const std::string_view layer : {"rpc error: code = Unknown desc = ", "rpc error: code = NotFound desc = ",
                                       "failed to pull and unpack image ", "failed to resolve reference "}) {
    if (!text.starts_with(layer)) continue;
    text.remove_prefix(layer.size());
    if (!layer.ends_with(' ') || !text.starts_with('"')) continue;
    if (const auto end = text.find("\": ", 1); end != std::string_view::npos) text.remove_prefix(end + 3);
  }
  return printable(text);
}

ErrorCode code_of_pull_text(ErrorCode code, std::string_view text) {
  if (code != ErrorCode::image_failed) return code;
  const auto says = [text](std::initializer_list<std::string_view> signs) {
    return std::any_of(signs.begin(), signs.end(),
                       [text](std::string_view sign) { return text.find(sign) != std::string_view::npos; });
  };
  if (is_refusal(text)) return ErrorCode::permission_denied;
  if (says({"dial tcp", "connection refused", "no such host", "i/o timeout", "connection reset", "no route to host",
            "TLS handshake", "server gave HTTP response", "x509:", ": EOF", "network is unreachable", "502 Bad Gateway",
            "503 Service Unavailable", "500 Internal Server Error", "504 Gateway Timeout"}))
    return ErrorCode::unavailable;
  if (says({": not found", "404 Not Found", "manifest unknown", "name unknown"})) return ErrorCode::not_found;
  return code;
}

}  // namespace sandboxd::containerd
