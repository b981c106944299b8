#include "network/nft.hpp"

#include <nftables/libnftables.h>

#include <string_view>

namespace sandboxd::network {
namespace {

// nft explains an error in several lines with a copy of the command; the first says what is wrong.
std::string first_line(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  return line.empty() ? "no message" : std::string(line);
}

}  // namespace

void Nft::Free::operator()(nft_ctx* context) const { ::nft_ctx_free(context); }

Nft::Nft() : context_(::nft_ctx_new(NFT_CTX_DEFAULT)) {
  if (!context_) return;
  ::nft_ctx_buffer_output(context_.get());
  ::nft_ctx_buffer_error(context_.get());
}

Nft::~Nft() = default;

Result<std::string> Nft::execute(const std::string& commands, bool json) {
  if (!context_) return Error(ErrorCode::network_failed, "libnftables cannot be set up: out of memory");
  ::nft_ctx_output_set_flags(context_.get(), json ? NFT_CTX_OUTPUT_JSON : 0);
  const int failed = ::nft_run_cmd_from_buffer(context_.get(), commands.c_str());
  const char* output = ::nft_ctx_get_output_buffer(context_.get());
  const char* problem = ::nft_ctx_get_error_buffer(context_.get());
  if (failed == 0) return std::string(output == nullptr ? "" : output);
  const std::string line = first_line(problem == nullptr ? "" : problem);
  if (line.find("Operation not permitted") != std::string::npos)
    return Error(ErrorCode::permission_denied, "nftables: " + line + ": the node agent must run as root");
  if (line.find("No such file or directory") != std::string::npos)
    return Error(ErrorCode::not_found, "nftables: " + line);
  return Error(ErrorCode::network_failed, "nftables: " + line);
}

Result<void> Nft::run(const std::string& commands) {
  auto done = execute(commands, false);
  if (!done) return std::move(done).error();
  return {};
}

Result<std::string> Nft::list_table(const std::string& family, const std::string& table) {
  auto listing = execute("list table " + family + " " + table, true);
  if (!listing && listing.error().code() == ErrorCode::not_found) return std::string();
  return listing;
}

}  // namespace sandboxd::network
