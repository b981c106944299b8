// libnftables. One context, used by one thread at a time; works on the network namespace of the thread that made it.
#pragma once

#include "base/result.hpp"

#include <memory>
#include <string>

struct nft_ctx;

namespace sandboxd::network {

class Nft {
 public:
  Nft();
  ~Nft();
  Nft(const Nft&) = delete;
  Nft& operator=(const Nft&) = delete;

  // Runs the commands as one transaction: all or none. network_failed with nft's first error line; permission_denied
  // without CAP_NET_ADMIN.
  [[nodiscard]] Result<void> run(const std::string& commands);
  // The JSON listing of one table; empty when there is no such table.
  [[nodiscard]] Result<std::string> list_table(const std::string& family, const std::string& table);

 private:
  struct Free {
    void operator()(nft_ctx* context) const;
  };
  [[nodiscard]] Result<std::string> execute(const std::string& commands, bool json);

  std::unique_ptr<nft_ctx, Free> context_;
};

}  // namespace sandboxd::network
