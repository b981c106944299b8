#include "model/host_port.hpp"

#include <gtest/gtest.h>

namespace sandboxd::model {
namespace {

TEST(HostPort, the_sentences_are_the_originals_and_are_read_back) {
  const std::string used = host_port_in_use(20000, Protocol::tcp, "sandbox b");
  EXPECT_EQ(used, "host port already in use: 20000/tcp (sandbox b)");
  EXPECT_EQ(refused_host_port(used), 20000);
  const std::string reserved = host_port_reserved(65535, Protocol::udp, "sandbox b");
  EXPECT_EQ(reserved, "host port already reserved: 65535/udp (sandbox b)");
  EXPECT_EQ(refused_host_port(reserved), 65535);
}

TEST(HostPort, other_texts_name_no_port) {
  for (const char* text :
       {"", "host port already in use: ", "host port already in use: x/tcp", "host port already in use: 80",
        "host port already in use: 0/tcp (a)", "host port already in use: -1/tcp (a)",
        "host port already in use: 65536/tcp (a)", "host port already in use: 99999999999999999999/tcp (a)",
        "pull image \"host port already in use: 80/tcp\": not found"}) {
    EXPECT_EQ(refused_host_port(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace sandboxd::model
