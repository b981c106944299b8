// What a sandbox may reach, with real packets.
#include "integration/network/lab.hpp"
#include "integration/network/packets.hpp"

#include <gtest/gtest.h>

namespace sandboxd::test {
namespace {

using Kind = EchoServer::Kind;

model::EgressPolicy public_internet() {
  model::EgressPolicy policy;
  policy.mode = model::EgressMode::public_internet;
  return policy;
}

model::EgressPolicy only(std::vector<std::string> ranges) {
  model::EgressPolicy policy;
  policy.mode = model::EgressMode::allow_list;
  policy.allow_cidrs = std::move(ranges);
  return policy;
}

class NetworkPolicy : public ::testing::Test {
 protected:
  ports::NetworkSlot make(int number) {
    return lab.call(lab.network().make_slot("sbxt-0000000" + std::to_string(number))).value();
  }
  void allow(const ports::NetworkSlot& slot, model::EgressPolicy policy) {
    lab.call(lab.network().set_egress(slot, std::move(policy))).value();
  }

  HostLab lab;
};

TEST_F(NetworkPolicy, AFreshSlotReachesNothing) {
  const auto slot = make(1);
  EchoServer outside_server(kOutsideNamespace, Kind::tcp, "0.0.0.0", 80);
  EchoServer outside_datagrams(kOutsideNamespace, Kind::udp, "0.0.0.0", 53);
  EchoServer host_server("", Kind::tcp, "0.0.0.0", 2222);
  for (const char* address : {kPublicAddress, kPrivateAddress, kMetadataAddress, kOutsideAddress})
    EXPECT_EQ(tcp_ask_from(slot.namespace_path, address, 80), "refused") << address;
  for (const char* address : {kResolverAddress, kPublicAddress})
    EXPECT_EQ(udp_ask_from(slot.namespace_path, address, 53), "prohibited") << address;
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, "10.77.0.1", 2222), "refused");
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kHostAddress, 2222), "refused");
}

TEST_F(NetworkPolicy, PublicEgressIsMasqueradedAndLeavesPrivateRangesClosed) {
  const auto slot = make(1);
  allow(slot, public_internet());
  EchoServer outside_server(kOutsideNamespace, Kind::tcp, "0.0.0.0", 80);
  EchoServer outside_datagrams(kOutsideNamespace, Kind::udp, kPublicAddress, 4000);
  EchoServer host_server("", Kind::tcp, "0.0.0.0", 2222);
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kPublicAddress, 80), std::string(kHostAddress) + " hello");
  EXPECT_EQ(udp_ask_from(slot.namespace_path, kPublicAddress, 4000), std::string(kHostAddress) + " hello");
  for (const char* address : {kPrivateAddress, kMetadataAddress, kResolverAddress})
    EXPECT_EQ(tcp_ask_from(slot.namespace_path, address, 80), "refused") << address;
  for (const char* address : {"10.77.0.1", kHostAddress})
    EXPECT_EQ(tcp_ask_from(slot.namespace_path, address, 2222), "refused") << address;
}

TEST_F(NetworkPolicy, NamesAreAskedOnlyAtTheConfiguredServers) {
  const auto slot = make(1);
  allow(slot, public_internet());
  EchoServer datagrams(kOutsideNamespace, Kind::udp, kResolverAddress, 53);
  EchoServer streams(kOutsideNamespace, Kind::tcp, "0.0.0.0", 53);
  EXPECT_EQ(udp_ask_from(slot.namespace_path, kResolverAddress, 53), std::string(kHostAddress) + " hello");
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kResolverAddress, 53), std::string(kHostAddress) + " hello");
  EXPECT_EQ(udp_ask_from(slot.namespace_path, kPrivateAddress, 53), "prohibited");
  EXPECT_EQ(udp_ask_from(slot.namespace_path, kMetadataAddress, 53), "prohibited");
  EXPECT_EQ(udp_ask_from(slot.namespace_path, kPublicAddress, 53), "prohibited");
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kPublicAddress, 53), "refused");
}

TEST_F(NetworkPolicy, AnAllowListOpensItsRangesAndNothingElse) {
  const auto slot = make(1);
  const auto other = make(2);
  allow(slot, only({"8.8.8.0/24", "8.8.0.0/16", "10.0.0.0/8"}));  // overlapping; the private one stays closed
  EchoServer outside_server(kOutsideNamespace, Kind::tcp, "0.0.0.0", 80);
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kPublicAddress, 80), std::string(kHostAddress) + " hello");
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kOtherPublicAddress, 80), "refused");
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kPrivateAddress, 80), "refused");
  EXPECT_EQ(tcp_ask_from(other.namespace_path, kPublicAddress, 80), "refused");

  allow(slot, only({"0.0.0.0/0"}));
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kOtherPublicAddress, 80), std::string(kHostAddress) + " hello");
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kMetadataAddress, 80), "refused");
}

TEST_F(NetworkPolicy, AnAllowListOpensPortsAndProtocols) {
  const auto slot = make(1);
  allow(slot, only({"8.8.8.0/24:80/tcp", "8.8.8.8:4000-4010/udp", "9.9.9.9:53"}));
  EchoServer http(kOutsideNamespace, Kind::tcp, "0.0.0.0", 80);
  EchoServer other(kOutsideNamespace, Kind::tcp, "0.0.0.0", 4005);
  EchoServer datagrams(kOutsideNamespace, Kind::udp, kPublicAddress, 4005);
  EchoServer names(kOutsideNamespace, Kind::udp, kOtherPublicAddress, 53);
  const std::string answered = std::string(kHostAddress) + " hello";
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kPublicAddress, 80), answered);
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kOtherPublicAddress, 80), "refused");
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kPublicAddress, 4005), "refused");
  EXPECT_EQ(udp_ask_from(slot.namespace_path, kPublicAddress, 4005), answered);
  EXPECT_EQ(udp_ask_from(slot.namespace_path, kPublicAddress, 80), "prohibited");
  EXPECT_EQ(udp_ask_from(slot.namespace_path, kOtherPublicAddress, 53), answered);  // a name server by its name

  lab.reopen();  // the kernel is the register: what was loaded is what a change starts from
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kPublicAddress, 80), answered);
  allow(slot, only({"8.8.8.8:4005/tcp"}));
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kPublicAddress, 4005), answered);
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kPublicAddress, 80), "refused");
  EXPECT_EQ(udp_ask_from(slot.namespace_path, kPublicAddress, 4005), "prohibited");
}

TEST_F(NetworkPolicy, APolicyTakenAwayEndsWhatIsUnderWay) {
  const auto slot = make(1);
  allow(slot, public_internet());
  EchoServer datagrams(kOutsideNamespace, Kind::udp, kPublicAddress, 4000);
  ASSERT_EQ(udp_ask_from(slot.namespace_path, kPublicAddress, 4000), std::string(kHostAddress) + " hello");
  allow(slot, model::EgressPolicy{});
  EXPECT_EQ(udp_ask_from(slot.namespace_path, kPublicAddress, 4000), "prohibited");
}

TEST_F(NetworkPolicy, ABandwidthLimitIsOnBothEndsUntilItIsTakenAway) {
  const auto slot = make(1);
  const auto buckets = [&] {
    std::string found;
    inside(slot.namespace_path, [&] { found = sh_output("tc qdisc show dev eth0 | grep tbf || true"); });
    return sh_output("tc qdisc show | grep 'tbf.*dev veth\\|dev veth.*tbf' || true") + found;
  };
  const auto count = [&] {
    const std::string text = buckets();
    std::size_t number = 0;
    for (auto at = text.find("rate 8Mbit"); at != std::string::npos; at = text.find("rate 8Mbit", at + 1)) ++number;
    return number;
  };
  model::EgressPolicy policy = public_internet();
  const auto queues = [&] {
    std::string found;
    inside(slot.namespace_path, [&] { found = sh_output("tc qdisc show dev eth0 | grep fifo || true"); });
    return found;
  };
  policy.bandwidth_bits_per_second = 8'000'000;
  allow(slot, policy);
  EXPECT_EQ(count(), 2u) << buckets();
  EXPECT_NE(queues().find("pfifo_head_drop 2: parent 1:1 limit 65p"), std::string::npos) << queues();
  lab.reopen();
  EXPECT_EQ(count(), 2u) << "after a restart: " << buckets();
  policy.bandwidth_bits_per_second = 16'000'000;
  allow(slot, policy);
  EXPECT_EQ(count(), 0u) << buckets();
  EXPECT_NE(buckets().find("rate 16Mbit"), std::string::npos) << buckets();
  EXPECT_NE(queues().find("pfifo_head_drop 2: parent 1:1 limit 131p"), std::string::npos) << queues();
  policy.bandwidth_bits_per_second = 800'000'000;
  allow(slot, policy);
  EXPECT_NE(queues().find("bfifo 3: parent 1:1 limit 16Mb"), std::string::npos) << queues();
  policy.bandwidth_bits_per_second = 16'000'000;
  allow(slot, policy);
  EXPECT_NE(queues().find("pfifo_head_drop 2: parent 1:1 limit 131p"), std::string::npos) << queues();
  lab.reopen();
  allow(slot, public_internet());
  EXPECT_EQ(buckets(), "");
}

TEST_F(NetworkPolicy, SandboxesDoNotReachEachOther) {
  const auto first = make(1);
  const auto second = make(2);
  allow(first, public_internet());
  lab.call(lab.network().publish(second, {model::PublishedPort{18080, 80, model::Protocol::tcp}})).value();
  EchoServer server(second.namespace_path, Kind::tcp, "0.0.0.0", 80);
  EXPECT_NE(tcp_ask_from(first.namespace_path, second.ip, 80).substr(0, 3), "10.");
  EXPECT_EQ(tcp_ask_from(first.namespace_path, kHostAddress, 18080), "refused");  // nor through the host
  EXPECT_EQ(tcp_ask(second.ip, 80), "10.77.0.1 hello");                           // the server does answer
  EXPECT_EQ(sh_output("cat /sys/class/net/veth*/brport/isolated"), "1\n1\n");
}

TEST_F(NetworkPolicy, TheHostReachesAFreshSlotAtOnce) {
  const auto slot = make(1);
  EchoServer server(slot.namespace_path, Kind::tcp, "0.0.0.0", 80);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(tcp_ask(slot.ip, 80), "10.77.0.1 hello");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(300));  // no ARP, no forward delay
}

TEST_F(NetworkPolicy, OutsideReachesNoPortThatIsNotPublished) {
  const auto slot = make(1);
  EchoServer server(slot.namespace_path, Kind::tcp, "0.0.0.0", 80);
  inside(kOutsideNamespace, [] { sh("ip route replace 10.77.0.0/24 via 203.0.113.1"); });
  EXPECT_EQ(tcp_ask_from(kOutsideNamespace, slot.ip, 80), "silent");
  inside(kOutsideNamespace, [] { sh("ip route del 10.77.0.0/24"); });
}

class Spoofing : public NetworkPolicy {
 protected:
  // The slot's own ends, towards the bridge and the public server.
  FrameEnds ends_of(const ports::NetworkSlot& slot) {
    FrameEnds ends;
    inside(slot.namespace_path, [&] {
      ends.source_mac = mac_bytes(sh_output("ip -o link show eth0 | sed 's/.*ether \\([0-9a-f:]*\\).*/\\1/'"));
    });
    ends.target_mac = mac_bytes(sh_output("cat /sys/class/net/sbx-brt/address"));
    ends.source_ip = slot.ip;
    ends.target_ip = kPublicAddress;
    return ends;
  }
  void send(const ports::NetworkSlot& slot, const std::vector<std::uint8_t>& frame) {
    inside(slot.namespace_path, [&] { send_frame("eth0", frame); });
  }
  // Datagrams that the outside has received since it was last asked, whatever became of them there.
  long arrived() {
    long count = 0;
    inside(kOutsideNamespace, [&] {
      count = std::stol(sh_output("nft -j list counter inet probe seen | sed 's/.*\"packets\": \\([0-9]*\\).*/\\1/'"));
    });
    return count;
  }
  // Everything sent before this call has passed or was dropped when it returns: veth and bridge hand a frame on in
  // order, and this one is answered.
  void settle(const ports::NetworkSlot& slot) {
    ASSERT_EQ(udp_ask_from(slot.namespace_path, kPublicAddress, 4040), std::string(kHostAddress) + " hello");
  }
  void SetUp() override {
    inside(kOutsideNamespace, [] {
      sh("nft 'add table inet probe; add counter inet probe seen; add chain inet probe in { type filter hook input "
         "priority 0; }; add rule inet probe in udp dport 4000 counter name seen'");
    });
  }
  void TearDown() override {
    inside(kOutsideNamespace, [] { sh("nft delete table inet probe"); });
  }
};

TEST_F(Spoofing, OnlyFramesWithTheSlotsOwnAddressesPass) {
  const auto slot = make(1);
  const auto victim = make(2);
  allow(slot, public_internet());
  allow(victim, public_internet());
  EchoServer control(kOutsideNamespace, Kind::udp, kPublicAddress, 4040);
  const FrameEnds own = ends_of(slot);

  send(slot, udp_frame(own));
  settle(slot);
  ASSERT_EQ(arrived(), 1) << "the honest frame must pass, or this test proves nothing";

  FrameEnds other_address = own;
  other_address.source_ip = victim.ip;
  FrameEnds other_mac = own;
  other_mac.source_mac = ends_of(victim).source_mac;
  FrameEnds both = other_mac;
  both.source_ip = victim.ip;
  FrameEnds stranger = own;
  stranger.source_ip = "10.77.0.200";
  for (const FrameEnds& ends : {other_address, other_mac, both, stranger}) send(slot, udp_frame(ends));
  settle(slot);
  EXPECT_EQ(arrived(), 1);
}

TEST_F(Spoofing, AForgedArpReplyChangesNothing) {
  const auto slot = make(1);
  const auto victim = make(2);
  allow(slot, public_internet());
  EchoServer control(kOutsideNamespace, Kind::udp, kPublicAddress, 4040);
  EchoServer server(victim.namespace_path, Kind::tcp, "0.0.0.0", 80);
  FrameEnds lie = ends_of(slot);
  lie.source_ip = victim.ip;
  lie.target_ip = "10.77.0.1";
  send(slot, arp_frame(lie));
  lie.source_ip = "10.77.0.1";  // "I am the gateway", to the victim
  lie.target_ip = victim.ip;
  lie.target_mac = ends_of(victim).source_mac;
  send(slot, arp_frame(lie));
  settle(slot);
  EXPECT_EQ(tcp_ask(victim.ip, 80), "10.77.0.1 hello");
  const std::string known = sh_output("ip neigh show " + victim.ip + " dev sbx-brt");
  EXPECT_NE(known.find("PERMANENT"), std::string::npos) << known;
  std::string victims_view;
  inside(victim.namespace_path, [&] { victims_view = sh_output("ip neigh show 10.77.0.1 dev eth0"); });
  EXPECT_NE(victims_view.find(sh_output("tr -d '\\n' < /sys/class/net/sbx-brt/address")), std::string::npos)
      << victims_view;
}

TEST_F(Spoofing, APortThatIsNotBoundSendsNothing) {
  const auto slot = make(1);
  allow(slot, public_internet());
  EchoServer control(kOutsideNamespace, Kind::udp, kPublicAddress, 4040);
  // As if CNI had attached an interface and we had not bound it yet.
  sh("ip netns add stray && ip link add vethstray type veth peer name eth0 netns stray");
  sh("ip link set vethstray master sbx-brt up && ip -n stray addr add 10.77.0.99/24 dev eth0");
  sh("ip -n stray link set eth0 up && ip -n stray route add default via 10.77.0.1");
  EchoServer host_server("", Kind::udp, "0.0.0.0", 2222);
  FrameEnds ends = ends_of(slot);
  ends.source_ip = "10.77.0.99";
  inside("/run/netns/stray", [&] {
    ends.source_mac =
        mac_bytes(sh_output("cat /proc/net/dev > /dev/null; ip -o link show eth0 | sed 's/.*ether "
                            "\\([0-9a-f:]*\\).*/\\1/'"));
    send_frame("eth0", udp_frame(ends));
    // Not even a refusal: the bridge itself drops what nobody bound.
    EXPECT_EQ(udp_ask("10.77.0.1", 2222), "silent");
  });
  settle(slot);
  EXPECT_EQ(arrived(), 0);
  sh("ip netns del stray && ip link del vethstray 2>/dev/null || true");
}

TEST_F(NetworkPolicy, NoIpv6LeavesASandbox) {
  const auto slot = make(1);
  std::string inside_addresses;
  inside(slot.namespace_path, [&] { inside_addresses = sh_output("ip -6 addr show"); });
  EXPECT_EQ(inside_addresses, "");
  EXPECT_EQ(sh_output("ip -6 addr show dev sbx-brt"), "");
}

}  // namespace
}  // namespace sandboxd::test
