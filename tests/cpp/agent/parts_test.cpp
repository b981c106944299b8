// Rings, users and /proc without the program.
#include "agent/proc.hpp"
#include "agent/ring.hpp"
#include "agent/tar.hpp"
#include "agent/users.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace sandboxd::agent {
namespace {

std::string all(const Ring& ring, std::uint64_t position) {
  std::string text;
  while (true) {
    const std::string_view part = ring.read(position, 1000);
    if (part.empty()) return text;
    text += part;
    position += part.size();
  }
}

TEST(Ring, keeps_the_last_bytes_and_their_positions) {
  Ring ring(40'000, false);
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += static_cast<char>('a' + i % 26);
  for (std::size_t at = 0; at < text.size(); at += 777) ring.append(std::string_view(text).substr(at, 777));
  EXPECT_EQ(ring.end(), text.size());
  EXPECT_EQ(ring.begin(), text.size() - 40'000);
  EXPECT_EQ(all(ring, 0), text.substr(text.size() - 40'000));
  std::uint64_t position = 3;
  EXPECT_EQ(ring.read(position, 1), text.substr(text.size() - 40'000, 1));
  EXPECT_EQ(position, ring.begin());  // a gap
  position = ring.end() + 5;
  EXPECT_EQ(ring.read(position, 10), "");
}

TEST(Ring, that_waits_takes_no_more_than_was_consumed) {
  Ring ring(1000, true);
  EXPECT_EQ(ring.room(), 1000U);
  ring.append(std::string(1000, 'x'));
  EXPECT_EQ(ring.room(), 0U);
  ring.consume_to(300);
  EXPECT_EQ(ring.room(), 300U);
  EXPECT_EQ(ring.begin(), 0U);  // still there for others
  ring.append(std::string(300, 'y'));
  EXPECT_EQ(ring.begin(), 300U);
  EXPECT_EQ(all(ring, 0), std::string(700, 'x') + std::string(300, 'y'));
  ring.consume_to(1'000'000);
  EXPECT_EQ(ring.room(), 1000U);
}

TEST(Users, are_found_by_name_and_number) {
  const Names names(
      parse_users("root:x:0:0:root:/root:/bin/sh\n# no line\nbad:x:y:0::/:\napp:x:1000:1001:A:/home/app:/bin/sh"),
      parse_groups("root:x:0:\nstaff:x:50:app,other\nvideo:x:44:app\n:x:1:\n"));
  Identity usual;
  usual.uid = 7;
  usual.groups = {9};
  usual.capabilities = 5;
  Identity found;
  ASSERT_FALSE(names.resolve("", usual, found));
  EXPECT_EQ(found.uid, 7U);
  EXPECT_EQ(found.groups, usual.groups);
  ASSERT_FALSE(names.resolve("app", usual, found));
  EXPECT_EQ(found.uid, 1000U);
  EXPECT_EQ(found.gid, 1001U);
  EXPECT_EQ(found.groups, (std::vector<std::uint32_t>{50, 44}));
  EXPECT_EQ(found.capabilities, 5U);
  ASSERT_FALSE(names.resolve("1000", usual, found));
  EXPECT_EQ(found.gid, 1001U);
  ASSERT_FALSE(names.resolve("app:staff", usual, found));
  EXPECT_EQ(found.gid, 50U);
  EXPECT_TRUE(found.groups.empty());
  ASSERT_FALSE(names.resolve("4242", usual, found));
  EXPECT_EQ(found.uid, 4242U);
  EXPECT_EQ(found.gid, 0U);
  EXPECT_EQ(names.resolve("bad", usual, found).error, EINVAL);
  EXPECT_EQ(names.resolve("app:nobodies", usual, found).error, EINVAL);
  EXPECT_EQ(names.resolve("99999999999", usual, found).error, EINVAL);
  EXPECT_EQ(names.user(1000), "app");
  EXPECT_EQ(names.home(1000), "/home/app");
  EXPECT_EQ(names.home(77), "/");
}

TEST(Proc, listening_sockets_are_read) {
  const auto found = parse_net(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0\n"
      "   1: 0100007F:1F91 0100007F:0001 01 00000000:00000000 00:00000000 00000000     0        0 12346 1 0\n"
      "garbage\n",
      "tcp");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].port.address, "127.0.0.1");
  EXPECT_EQ(found[0].port.port, 8080);
  EXPECT_EQ(found[0].inode, 12345U);
  const auto six = parse_net(
      "h\n 0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 7 1\n",
      "tcp");
  ASSERT_EQ(six.size(), 1U);
  EXPECT_EQ(six[0].port.address, "::");
}

TEST(Proc, a_process_with_an_odd_name_is_read) {
  Process process;
  std::int32_t group = 0;
  ASSERT_TRUE(
      parse_stat("12 (a) b (c) S 3 11 11 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 100 4096 25 1 2 3", process, group));
  EXPECT_EQ(process.name, "a) b (c");
  EXPECT_EQ(process.state, "S");
  EXPECT_EQ(process.parent, 3);
  EXPECT_EQ(group, 11);
  EXPECT_EQ(process.cpu_ns, 2'000'000'000U);
  EXPECT_EQ(process.resident_bytes, 25U * static_cast<unsigned>(::sysconf(_SC_PAGESIZE)));
  EXPECT_FALSE(parse_stat("", process, group));
  EXPECT_FALSE(parse_stat("1 )(", process, group));
}

// Everything that an archive held.
struct Taken : TarSink {
  Problem begin(const TarEntry& one) override {
    entries.push_back(one);
    return {};
  }
  Problem data(std::string_view bytes) override {
    text += bytes;
    return {};
  }
  Problem end() override { return {}; }
  std::vector<TarEntry> entries;
  std::string text;
};

TEST(Tar, what_was_written_reads_the_same) {
  TarEntry entry;
  entry.path = std::string(300, 'p');
  entry.mode = 0751;
  entry.uid = 4'000'000'000;
  entry.gid = 3;
  entry.size = 5;
  entry.modified_ns = 1'700'000'000'123'456'789;
  TarEntry old = entry;
  old.path = "old";
  old.size = 0;
  old.modified_ns = -1'500'000'000;
  const std::string archive = tar_header(entry) + "bytes" + std::string(507, '\0') + tar_header(old) + tar_end();
  for (const std::size_t step : {1U, 511U, 100'000U}) {
    Taken taken;
    TarReader reader;
    for (std::size_t at = 0; at < archive.size(); at += step) {
      ASSERT_FALSE(reader.feed(std::string_view(archive).substr(at, step), taken));
    }
    ASSERT_EQ(taken.entries.size(), 2U);
    EXPECT_EQ(taken.entries[0].path, entry.path);
    EXPECT_EQ(taken.entries[0].mode, entry.mode);
    EXPECT_EQ(taken.entries[0].uid, entry.uid);
    EXPECT_EQ(taken.entries[0].modified_ns, entry.modified_ns);
    EXPECT_EQ(taken.entries[1].modified_ns, -1'500'000'000);
    EXPECT_EQ(taken.text, "bytes");
    EXPECT_TRUE(reader.is_complete());
  }
}

}  // namespace
}  // namespace sandboxd::agent
