#include "contract/network/network_contract.hpp"
#include "integration/network/lab.hpp"
#include "integration/network/packets.hpp"

#include <boost/asio/use_future.hpp>

#include <cstdio>

namespace sandboxd::test {
namespace {

class HostHarness final : public NetworkHarness {
 public:
  HostHarness() : lab_("10.77.0.0/28") {}

  ports::SandboxNetwork& network() override { return lab_.network(); }
  void restart() override { lab_.reopen(); }
  void run(std::function<Task<void>()> work) override { lab_.finish(work()); }
  void occupy(int port) override {
    program_ = std::make_unique<EchoServer>("", EchoServer::Kind::tcp, "0.0.0.0", port);
  }
  std::string slot_name(int number) const override {
    char name[32];
    std::snprintf(name, sizeof name, "sbxt-%08x", static_cast<unsigned>(number));
    return name;
  }

 private:
  HostLab lab_;
  std::unique_ptr<EchoServer> program_;
};

INSTANTIATE_TEST_SUITE_P(Host, NetworkContract,
                         ::testing::Values(HarnessFactory([] { return std::make_unique<HostHarness>(); })));

}  // namespace
}  // namespace sandboxd::test
