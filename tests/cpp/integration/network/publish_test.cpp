// Published ports and life of slots, with real packets.
#include "integration/network/lab.hpp"
#include "integration/network/packets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

namespace sandboxd::test {
namespace {

using Kind = EchoServer::Kind;
using model::Protocol;
using model::PublishedPort;

class Publishing : public ::testing::Test {
 protected:
  ports::NetworkSlot make(int number) {
    char name[32];
    std::snprintf(name, sizeof name, "sbxt-%08x", static_cast<unsigned>(number));
    return lab.call(lab.network().make_slot(name)).value();
  }
  void publish(const ports::NetworkSlot& slot, std::vector<PublishedPort> ports) {
    lab.call(lab.network().publish(slot, std::move(ports))).value();
  }

  HostLab lab;
};

TEST_F(Publishing, APortAnswersOutsideOnTheHostAndOnLoopback) {
  const auto slot = make(1);
  EchoServer streams(slot.namespace_path, Kind::tcp, "0.0.0.0", 80);
  EchoServer datagrams(slot.namespace_path, Kind::udp, "0.0.0.0", 5300);
  publish(slot, {PublishedPort{18080, 80, Protocol::tcp}, PublishedPort{18053, 5300, Protocol::udp}});

  EXPECT_EQ(tcp_ask_from(kOutsideNamespace, kHostAddress, 18080), std::string(kOutsideAddress) + " hello");
  EXPECT_EQ(udp_ask_from(kOutsideNamespace, kHostAddress, 18053), std::string(kOutsideAddress) + " hello");
  EXPECT_EQ(tcp_ask(kHostAddress, 18080), std::string(kHostAddress) + " hello");
  EXPECT_EQ(udp_ask(kHostAddress, 18053), std::string(kHostAddress) + " hello");
  EXPECT_EQ(tcp_ask("127.0.0.1", 18080), "10.77.0.1 hello");
  EXPECT_EQ(udp_ask("127.0.0.1", 18053), "10.77.0.1 hello");

  EXPECT_EQ(tcp_ask_from(kOutsideNamespace, kHostAddress, 80), "refused");     // the host's own port 80
  EXPECT_EQ(tcp_ask_from(kOutsideNamespace, kHostAddress, 18053), "refused");  // the other protocol
  EXPECT_EQ(tcp_ask("127.0.0.2", 18080), "refused");

  lab.call(lab.network().unpublish(slot)).value();
  EXPECT_EQ(tcp_ask_from(kOutsideNamespace, kHostAddress, 18080), "refused");
  EXPECT_EQ(tcp_ask("127.0.0.1", 18080), "refused");
  EXPECT_EQ(tcp_ask(kHostAddress, 18080), "refused");
}

TEST_F(Publishing, OnlyTrafficForThisHostIsTranslated) {
  // Nothing listens in the slot: traffic that were captured would be refused.
  const auto slot = make(1);
  publish(slot, {PublishedPort{18080, 80, Protocol::tcp}});
  // A routed neighbour behind the host asks a public server on the same port number.
  sh("ip netns add neighbour && ip link add nb0 type veth peer name eth0 netns neighbour");
  sh("ip addr add 192.168.50.1/24 dev nb0 && ip link set nb0 up");
  sh("ip -n neighbour addr add 192.168.50.2/24 dev eth0 && ip -n neighbour link set eth0 up");
  sh("ip -n neighbour route add default via 192.168.50.1");
  {
    EchoServer public_server(kOutsideNamespace, Kind::tcp, kPublicAddress, 18080);
    EXPECT_EQ(tcp_ask_from("/run/netns/neighbour", kPublicAddress, 18080), "192.168.50.2 hello");
    // So does another sandbox, and the host itself.
    const auto other = make(2);
    model::EgressPolicy open;
    open.mode = model::EgressMode::public_internet;
    lab.call(lab.network().set_egress(other, open)).value();
    EXPECT_EQ(tcp_ask_from(other.namespace_path, kPublicAddress, 18080), std::string(kHostAddress) + " hello");
    EXPECT_EQ(tcp_ask(kPublicAddress, 18080), std::string(kHostAddress) + " hello");
  }
  sh("ip netns del neighbour; ip link del nb0 2>/dev/null || true");
}

TEST_F(Publishing, APortOfAnotherProgramIsRefusedWithItsNumber) {
  const auto slot = make(1);
  const auto other = make(2);
  EchoServer program("", Kind::tcp, kHostAddress, 18080);
  auto refused = lab.call(lab.network().check_port_free(18080, Protocol::tcp));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::conflict);
  EXPECT_EQ(refused.error().message(), "host port already in use: 18080/tcp (bind: Address already in use)");
  EXPECT_TRUE(lab.call(lab.network().check_port_free(18080, Protocol::udp)));

  // All or none: the free port of the same request is not opened.
  EchoServer server(slot.namespace_path, Kind::tcp, "0.0.0.0", 80);
  auto half = lab.call(
      lab.network().publish(slot, {PublishedPort{18079, 80, Protocol::tcp}, PublishedPort{18080, 80, Protocol::tcp}}));
  ASSERT_FALSE(half);
  EXPECT_EQ(tcp_ask_from(kOutsideNamespace, kHostAddress, 18079), "refused");
  EXPECT_EQ(tcp_ask("127.0.0.1", 18079), "refused");
}

TEST_F(Publishing, ARestartAdoptsPoliciesAndPorts) {
  const auto slot = make(1);
  const auto gone = make(2);
  model::EgressPolicy open;
  open.mode = model::EgressMode::public_internet;
  lab.call(lab.network().set_egress(slot, open)).value();
  EchoServer server(slot.namespace_path, Kind::tcp, "0.0.0.0", 80);
  EchoServer outside_server(kOutsideNamespace, Kind::tcp, "0.0.0.0", 80);
  publish(slot, {PublishedPort{18080, 80, Protocol::tcp}});
  publish(gone, {PublishedPort{18081, 80, Protocol::tcp}});

  lab.reopen();
  EXPECT_EQ(tcp_ask_from(kOutsideNamespace, kHostAddress, 18080), std::string(kOutsideAddress) + " hello");
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kPublicAddress, 80), std::string(kHostAddress) + " hello");
  EXPECT_EQ(tcp_ask("127.0.0.1", 18080), "refused");  // until its owner publishes again
  publish(slot, {PublishedPort{18080, 80, Protocol::tcp}});
  EXPECT_EQ(tcp_ask("127.0.0.1", 18080), "10.77.0.1 hello");

  auto slots = lab.call(lab.network().list_slots()).value();
  ASSERT_EQ(slots.size(), 2u);
  EXPECT_EQ(slots[0].ip, slot.ip);
  EXPECT_EQ(slots[1].ip, gone.ip);
  // What the adopted ledger knows can be removed: a port of the slot that nobody publishes again is free.
  lab.call(lab.network().destroy_slot(gone.name)).value();
  EXPECT_TRUE(lab.call(lab.network().check_port_free(18081, Protocol::tcp)));
}

TEST_F(Publishing, TablesFlushedByAnotherProgramComeBack) {
  const auto slot = make(1);
  EchoServer server(slot.namespace_path, Kind::tcp, "0.0.0.0", 80);
  EchoServer host_server("", Kind::tcp, "0.0.0.0", 2222);
  publish(slot, {PublishedPort{18080, 80, Protocol::tcp}});
  sh("nft flush ruleset");
  // The watch rebuilds by itself; how soon is up to the scheduler, so ask until it has.
  std::string answer;
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < limit && answer != "refused")
    answer = tcp_ask_from(slot.namespace_path, kHostAddress, 2222);
  EXPECT_EQ(answer, "refused");
  EXPECT_EQ(tcp_ask_from(kOutsideNamespace, kHostAddress, 18080), std::string(kOutsideAddress) + " hello");
}

TEST_F(Publishing, AChangeAfterAFlushRebuildsEverything) {
  const auto slot = make(1);
  EchoServer server(slot.namespace_path, Kind::tcp, "0.0.0.0", 80);
  publish(slot, {PublishedPort{18080, 80, Protocol::tcp}});
  sh("nft flush ruleset");
  publish(slot, {PublishedPort{18081, 80, Protocol::tcp}});
  for (const int port : {18080, 18081})
    EXPECT_EQ(tcp_ask_from(kOutsideNamespace, kHostAddress, port), std::string(kOutsideAddress) + " hello") << port;
}

TEST(HostNetworkLife, OtherFirewallsThatDropGetOurTwoRulesAndLoseThemAtTeardown) {
  sh("nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'");
  sh("nft add rule ip filter FORWARD counter");
  {
    HostLab lab;
    const auto slot = lab.call(lab.network().make_slot("sbxt-0000000a")).value();
    EchoServer server(slot.namespace_path, Kind::tcp, "0.0.0.0", 80);
    lab.call(lab.network().publish(slot, {PublishedPort{18080, 80, Protocol::tcp}})).value();
    EXPECT_EQ(tcp_ask_from(kOutsideNamespace, kHostAddress, 18080), std::string(kOutsideAddress) + " hello");
  }
  const std::string left = sh_output("nft list chain ip filter FORWARD");
  EXPECT_EQ(left.find("sbx-brt"), std::string::npos) << left;
  EXPECT_NE(left.find("counter"), std::string::npos) << "another program's rule must stay: " << left;
  sh("nft delete table ip filter");
}

// Rules of ours in the chains of others.
int hooks() { return std::stoi(sh_output("nft list table ip filter | grep -c 'comment \"sandboxd_t\"' || true")); }

// The watch works by itself; how soon is up to the scheduler, so look until it has.
bool comes_to(int wanted, int (*number)()) {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < limit) {
    if (number() == wanted) return true;
  }
  return false;
}

// As Docker sets a host up: forwarding is dropped, and DOCKER-USER is the chain for what others want.
TEST(HostNetworkLife, OnADockerHostOurTrafficPassesAndItsRulesStay) {
  sh("nft 'add table ip filter; add chain ip filter DOCKER-USER; add rule ip filter DOCKER-USER counter return; "
     "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }; "
     "add rule ip filter FORWARD jump DOCKER-USER; add rule ip filter FORWARD iifname docker0 accept'");
  const std::string before = sh_output("nft -s list table ip filter");
  {
    HostLab lab;
    const auto open = lab.call(lab.network().make_slot("sbxt-0000000a")).value();
    const auto closed = lab.call(lab.network().make_slot("sbxt-0000000b")).value();
    model::EgressPolicy policy;
    policy.mode = model::EgressMode::public_internet;
    lab.call(lab.network().set_egress(open, policy)).value();
    EchoServer inside_server(open.namespace_path, Kind::tcp, "0.0.0.0", 80);
    EchoServer outside_server(kOutsideNamespace, Kind::tcp, "0.0.0.0", 81);
    lab.call(lab.network().publish(open, {PublishedPort{18080, 80, Protocol::tcp}})).value();
    const auto in = [] { return tcp_ask_from(kOutsideNamespace, kHostAddress, 18080); };
    const auto out = [&] { return tcp_ask_from(open.namespace_path, kPublicAddress, 81); };
    EXPECT_EQ(in(), std::string(kOutsideAddress) + " hello");
    EXPECT_EQ(out(), std::string(kHostAddress) + " hello");
    EXPECT_EQ(tcp_ask_from(closed.namespace_path, kPublicAddress, 81), "refused");

    // Without our rules in its chains that firewall has the last word; the watch puts them back, and so does a start.
    sh("nft 'delete table ip filter'");
    sh("nft 'add table ip filter; add chain ip filter DOCKER-USER; add rule ip filter DOCKER-USER counter return; "
       "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }; "
       "add rule ip filter FORWARD jump DOCKER-USER; add rule ip filter FORWARD iifname docker0 accept'");
    EXPECT_TRUE(comes_to(4, hooks));
    EXPECT_EQ(in(), std::string(kOutsideAddress) + " hello");
    sh("nft flush chain ip filter DOCKER-USER; nft add rule ip filter DOCKER-USER counter return");
    EXPECT_TRUE(comes_to(4, hooks));
    const std::string number = sh_output("nft -a list chain ip filter FORWARD | sed -n 's/.*oifname.* # handle //p'");
    sh("nft delete rule ip filter FORWARD handle " + number);
    EXPECT_TRUE(comes_to(4, hooks));
    EXPECT_EQ(out(), std::string(kHostAddress) + " hello");
    lab.reopen();
    EXPECT_EQ(hooks(), 4);
    EXPECT_EQ(in(), std::string(kOutsideAddress) + " hello");
    EXPECT_EQ(out(), std::string(kHostAddress) + " hello");
  }
  EXPECT_EQ(sh_output("nft -s list table ip filter"), before);
  sh("nft delete table ip filter");
}

TEST(HostNetworkLife, TeardownLeavesNothing) {
  {
    HostLab lab;
    const auto slot = lab.call(lab.network().make_slot("sbxt-0000000a")).value();
    lab.call(lab.network().publish(slot, {PublishedPort{18080, 80, Protocol::tcp}})).value();
  }
  EXPECT_EQ(sh_output("nft list tables"), "");
  EXPECT_EQ(sh_output("ip -o link show type bridge"), "");
  EXPECT_EQ(sh_output("ls /run/netns"), "outside\n");
}

// What a kill -9 between the unmount and the unlink leaves, or one right after the file was made.
TEST(HostNetworkLife, AFileWithoutItsNamespaceIsRemovedToo) {
  HostLab lab;
  lab.call(lab.network().make_slot("sbxt-0000000b")).value();
  sh("umount /run/netns/sbxt-0000000b");
  sh("touch /run/netns/sbxt-0000000c");
  for (const char* name : {"sbxt-0000000b", "sbxt-0000000c"}) {
    const auto destroyed = lab.call(lab.network().destroy_slot(name));
    EXPECT_TRUE(destroyed) << destroyed.error().message();
  }
  EXPECT_TRUE(lab.call(lab.network().list_slots()).value().empty());
}

TEST_F(Publishing, ASubnetThatTheHostRoutesElsewhereIsRefused) {
  sh("ip link add other type bridge && ip addr add 10.78.3.1/24 dev other && ip link set other up");
  proc::PosixRunner runner;
  cni::CniProvider provider({}, runner);
  boost::asio::io_context context;
  auto options = HostLab::options();
  options.instance = "u";
  options.bridge = "sbx-bru";
  options.subnet_cidr = "10.78.0.0/16";
  auto network = network::HostNetwork::make(context.get_executor(), options, provider).value();
  auto started = lab.call(network->start());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), ErrorCode::network_failed);
  EXPECT_EQ(started.error().message(),
            "subnet 10.78.0.0/16 overlaps the route 10.78.3.0/24 of interface other: set subnet_cidr to a private "
            "range that this host does not use");
  sh("ip link del other");
}

double percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

// Times are printed, not judged: what is asserted is that 200 ports do not make a change ten times dearer than one.
TEST_F(Publishing, TheCostOfAChangeDoesNotGrowWithTheirNumber) {
  using Clock = std::chrono::steady_clock;
  const auto ms_since = [](Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  };
  std::vector<double> makes;
  std::vector<double> publishes;
  std::vector<double> destroys;
  std::vector<ports::NetworkSlot> slots;
  for (int i = 0; i < 10; ++i) {
    const auto start = Clock::now();
    slots.push_back(make(0x100 + i));
    makes.push_back(ms_since(start));
  }
  for (int i = 0; i < 200; ++i) {
    const auto start = Clock::now();
    publish(slots[static_cast<std::size_t>(i % 10)], {PublishedPort{20000 + i, 80, Protocol::tcp}});
    publishes.push_back(ms_since(start));
  }
  for (const auto& slot : slots) {
    const auto start = Clock::now();
    lab.call(lab.network().destroy_slot(slot.name)).value();
    destroys.push_back(ms_since(start));
  }
  const std::vector<double> first(publishes.begin(), publishes.begin() + 20);
  const std::vector<double> last(publishes.end() - 20, publishes.end());
  std::printf(
      "make_slot p50 %.1f ms p95 %.1f ms; destroy_slot p50 %.1f ms p95 %.1f ms; publish p50 %.2f ms p95 %.2f "
      "ms (first twenty %.2f, last twenty of 200 %.2f)\n",
      percentile(makes, 0.5), percentile(makes, 0.95), percentile(destroys, 0.5), percentile(destroys, 0.95),
      percentile(publishes, 0.5), percentile(publishes, 0.95), percentile(first, 0.5), percentile(last, 0.5));
  EXPECT_LT(percentile(last, 0.5), 10 * percentile(first, 0.5) + 5);
}

}  // namespace
}  // namespace sandboxd::test
