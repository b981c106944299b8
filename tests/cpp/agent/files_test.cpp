// Files: done as the user, in ranges, atomically, never through what is special.
#include "agent/host.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxd::test {
namespace {

using namespace agent;
namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  Files() : host(AgentHost::holding()), root(files.path()) { host.accept(); }
  std::string at(const std::string& name) const { return root + "/" + name; }
  void put(const std::string& name, const std::string& text) const { std::ofstream(at(name)) << text; }
  std::string get(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(at(name)).rdbuf();
    return text.str();
  }
  Answered read(const std::string& path, std::uint64_t offset = 0, std::uint64_t length = UINT64_MAX) {
    return host.ask(Type::read, Read{path, "", offset, length});
  }
  std::uint32_t begin_write(const Write& write) { return host.request(Type::write, write); }
  Answered write(const Write& write, const std::string& text) {
    const std::uint32_t call = begin_write(write);
    for (std::size_t at = 0; at < text.size(); at += 4096) host.send(Type::data, call, text.substr(at, 4096));
    host.send(Type::eof, call, "");
    return host.finish(call);
  }
  std::vector<FileStatus> list(const std::string& path, std::uint32_t depth = 1) {
    const Answered answered = host.ask(Type::list, Path{path, "", true, depth});
    EXPECT_FALSE(answered.failed);
    std::vector<FileStatus> all;
    for (const std::string& piece : answered.pieces) {
      const auto part = decode<FileList>(piece).value();
      all.insert(all.end(), part.entries.begin(), part.entries.end());
    }
    return all;
  }
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(root), fs::directory_iterator()));
  }

  TempDir files;
  AgentHost host;
  std::string root;
};

TEST_F(Files, status_tells_kind_owner_and_target) {
  put("a", "text");
  fs::create_symlink("a", at("link"));
  const auto file = host.ask(Type::stat, Path{at("a"), "", true, 1}).as<FileStatus>();
  EXPECT_TRUE(S_ISREG(file.mode));
  EXPECT_EQ(file.size, 4U);
  EXPECT_EQ(file.uid, ::getuid());
  EXPECT_FALSE(file.owner.empty());
  EXPECT_GT(file.modified_ns, 0);
  const auto link = host.ask(Type::stat, Path{at("link"), "", false, 1}).as<FileStatus>();
  EXPECT_TRUE(S_ISLNK(link.mode));
  EXPECT_EQ(link.target, "a");
  const Answered missing = host.ask(Type::stat, Path{at("missing"), "", true, 1});
  EXPECT_EQ(missing.failed.value().error, ENOENT);
  EXPECT_EQ(missing.failed->text, "stat " + at("missing") + ": No such file or directory");
}

TEST_F(Files, ranges_are_read) {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += static_cast<char>('a' + i % 23);
  put("big", text);
  const Answered all = read(at("big"));
  EXPECT_EQ(all.data, text);
  EXPECT_TRUE(all.was_eof);
  EXPECT_EQ(all.as<FileStatus>().size, text.size());
  EXPECT_EQ(read(at("big"), 1000, 77).data, text.substr(1000, 77));
  EXPECT_EQ(read(at("big"), 199990, 77).data, text.substr(199990));
  EXPECT_EQ(read(at("big"), 1 << 30).data, "");
  EXPECT_EQ(read(at("big"), 0, 0).data, "");
}

TEST_F(Files, files_without_a_size_are_read) {
  EXPECT_NE(read("/proc/self/status").data.find("Name:"), std::string::npos);
}

TEST_F(Files, what_is_special_is_refused_and_waits_for_nobody) {
  ::mkfifo(at("fifo").c_str(), 0644);
  EXPECT_EQ(read(at("fifo")).failed.value().error, EINVAL);
  EXPECT_EQ(read("/dev/zero").failed.value().error, EINVAL);
  EXPECT_EQ(read(root).failed.value().error, EISDIR);
  EXPECT_EQ(write({at("fifo"), "", 0, false}, "x").failed.value().error, EINVAL);
  EXPECT_EQ(write({root, "", 0, false}, "x").failed.value().error, EISDIR);
}

TEST_F(Files, bad_paths_are_refused) {
  EXPECT_EQ(read("").failed.value().error, EINVAL);
  EXPECT_EQ(read(std::string("/etc\0x", 6)).failed.value().error, EINVAL);
  EXPECT_EQ(read("/" + std::string(5000, 'x')).failed.value().error, ENAMETOOLONG);
}

TEST_F(Files, names_are_bytes) {
  for (const std::string name : {"with space", "quote\"'", "line\nbreak", "\xff\xfe"}) {
    ASSERT_FALSE(write({at(name), "", 0, false}, name).failed);
    EXPECT_EQ(read(at(name)).data, name);
  }
}

TEST_F(Files, a_write_replaces_the_file_whole_and_keeps_its_mode) {
  put("a", "old");
  ::chmod(at("a").c_str(), 0640);
  const std::uint32_t call = begin_write({at("a"), "", 0, false});
  host.send(Type::data, call, "new ");
  EXPECT_FALSE(host.ask(Type::ping, Empty{}).failed);
  EXPECT_EQ(get("a"), "old");  // until the end
  host.send(Type::data, call, "text");
  host.send(Type::eof, call, "");
  const auto status = host.finish(call).as<FileStatus>();
  EXPECT_EQ(get("a"), "new text");
  EXPECT_EQ(status.size, 8U);
  EXPECT_EQ(status.mode & 07777U, 0640U);
  EXPECT_EQ(write({at("b"), "", 0, false}, "").as<FileStatus>().mode & 07777U, 0644U);
  EXPECT_EQ(write({at("c"), "", 0755, false}, "x").as<FileStatus>().mode & 07777U, 0755U);
  EXPECT_EQ(count(), 3U);
}

TEST_F(Files, a_write_that_is_cancelled_or_cut_leaves_what_was_there) {
  put("a", "old");
  const std::uint32_t call = begin_write({at("a"), "", 0, false});
  host.send(Type::data, call, "new");
  host.send(Type::cancel, call, "");
  EXPECT_EQ(host.finish(call).failed.value().error, ECANCELED);
  begin_write({at("a"), "", 0, false});
  EXPECT_FALSE(host.ask(Type::ping, Empty{}).failed);
  EXPECT_EQ(count(), 2U);
  host.drop();
  host.accept();
  EXPECT_EQ(get("a"), "old");
  EXPECT_EQ(count(), 1U);
}

TEST_F(Files, parents_are_made_when_asked) {
  EXPECT_EQ(write({at("x/y/z"), "", 0, false}, "t").failed.value().error, ENOENT);
  EXPECT_FALSE(write({at("x/y/z"), "", 0, true}, "t").failed);
  EXPECT_EQ(get("x/y/z"), "t");
  EXPECT_EQ(write({at("x/y/z/w"), "", 0, true}, "t").failed.value().error, ENOTDIR);
}

TEST_F(Files, a_write_through_a_link_is_for_its_target) {
  put("a", "old");
  fs::create_symlink("a", at("link"));
  fs::create_symlink("loop", at("loop"));
  ASSERT_FALSE(write({at("link"), "", 0, false}, "new").failed);
  EXPECT_TRUE(fs::is_symlink(at("link")));
  EXPECT_EQ(get("a"), "new");
  EXPECT_EQ(write({at("loop"), "", 0, false}, "x").failed.value().error, ELOOP);
}

TEST_F(Files, a_large_write_arrives_whole) {
  std::string text;
  for (int i = 0; i < 3'000'000; ++i) text += static_cast<char>(i * 7 % 251);
  const std::uint32_t call = begin_write({at("big"), "", 0, false});
  std::uint64_t credit = kCreditStart;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = std::min<std::size_t>({text.size() - at, kDataBytesMax, credit});
    if (size > 0) host.send(Type::data, call, text.substr(at, size));
    at += size;
    credit -= size;
    if (credit == 0) credit += decode<Credit>(host.next().payload).value().bytes;
  }
  host.send(Type::eof, call, "");
  EXPECT_EQ(host.finish(call).as<FileStatus>().size, text.size());
  EXPECT_EQ(get("big"), text);
}

TEST_F(Files, a_full_disk_is_told_and_leaves_what_was_there) {
  ASSERT_EQ(::getuid(), 0U) << "a small disk needs root";
  agent::Setup setup = AgentHost::holding();
  setup.identity.capabilities = ~std::uint64_t{0};
  AgentHost small(setup, true);
  small.accept();
  const std::string disk = small.path();
  const std::string script = "mount -t tmpfs -o size=64k none " + disk + " && echo old > " + disk + "/a";
  ASSERT_EQ(small.run(AgentHost::command({"sh", "-c", script})).ended.code, 0);
  const std::uint32_t call = small.request(Type::write, Write{disk + "/a", "", 0, false});
  for (int i = 0; i < 3; ++i) small.send(Type::data, call, std::string(kDataBytesMax, 'x'));
  const Answered full = small.finish(call);
  EXPECT_EQ(full.failed.value().error, ENOSPC);
  EXPECT_EQ(full.failed->text, "write " + disk + "/a: No space left on device");
  EXPECT_EQ(small.ask(Type::read, Read{disk + "/a", "", 0, 100}).data, "old\n");
  EXPECT_EQ(small.run(AgentHost::command({"sh", "-c", "ls -A " + disk})).out, "a\n");
}

TEST_F(Files, lists_are_sorted_and_as_deep_as_asked) {
  fs::create_directories(at("d/e/f"));
  put("d/e/f/g", "");
  put("c", "");
  put("b", "");
  std::vector<std::string> names;
  for (const FileStatus& one : list(root)) names.push_back(one.path);
  EXPECT_EQ(names, (std::vector<std::string>{"b", "c", "d"}));
  names.clear();
  for (const FileStatus& one : list(root, 3)) names.push_back(one.path);
  EXPECT_EQ(names, (std::vector<std::string>{"b", "c", "d", "d/e", "d/e/f"}));
  EXPECT_EQ(host.ask(Type::list, Path{at("b"), "", true, 1}).failed.value().error, ENOTDIR);
}

TEST_F(Files, large_directories_come_in_frames_and_hold_nobody_up) {
  for (int i = 0; i < 5000; ++i) put("n" + std::to_string(i), "");
  const std::uint32_t call = host.request(Type::list, Path{root, "", true, 1});
  EXPECT_FALSE(host.ask(Type::ping, Empty{}).failed);
  const Answered answered = host.finish(call);
  EXPECT_GT(answered.pieces.size(), 3U);
  std::size_t entries = 0;
  for (const std::string& piece : answered.pieces) entries += decode<FileList>(piece).value().entries.size();
  EXPECT_EQ(entries, 5000U);
}

TEST_F(Files, directories_are_made_and_things_renamed) {
  EXPECT_TRUE(S_ISDIR(host.ask(Type::mkdir, Write{at("d"), "", 0700, false}).as<FileStatus>().mode));
  EXPECT_FALSE(host.ask(Type::mkdir, Write{at("d"), "", 0, false}).failed);  // it is there
  EXPECT_EQ(host.ask(Type::mkdir, Write{at("e/f"), "", 0, false}).failed.value().error, ENOENT);
  EXPECT_FALSE(host.ask(Type::mkdir, Write{at("e/f"), "", 0, true}).failed);
  put("a", "text");
  EXPECT_EQ(host.ask(Type::mkdir, Write{at("a"), "", 0, false}).failed.value().error, EEXIST);
  EXPECT_EQ(host.ask(Type::rename, Rename{at("a"), at("e/b"), ""}).as<FileStatus>().size, 4U);
  EXPECT_EQ(get("e/b"), "text");
  EXPECT_EQ(host.ask(Type::rename, Rename{at("a"), at("c"), ""}).failed.value().error, ENOENT);
}

TEST_F(Files, trees_are_removed_and_links_not_followed) {
  fs::create_directories(at("tree/x/y/z"));
  for (int i = 0; i < 3000; ++i) put("tree/x/n" + std::to_string(i), "");
  put("kept", "text");
  fs::create_symlink(root, at("tree/x/y/up"));
  fs::create_symlink(at("kept"), at("tree/k"));
  EXPECT_EQ(host.ask(Type::remove, Remove{at("tree"), "", false}).failed.value().error, ENOTEMPTY);
  EXPECT_FALSE(host.ask(Type::remove, Remove{at("tree"), "", true}).failed);
  EXPECT_FALSE(fs::exists(at("tree")));
  EXPECT_EQ(get("kept"), "text");
  EXPECT_FALSE(host.ask(Type::remove, Remove{at("kept"), "", false}).failed);
  EXPECT_EQ(host.ask(Type::remove, Remove{at("kept"), "", true}).failed.value().error, ENOENT);
  EXPECT_EQ(host.ask(Type::remove, Remove{"/", "", true}).failed.value().error, EINVAL);
  EXPECT_EQ(host.ask(Type::remove, Remove{"/tmp/..", "", true}).failed.value().error, EINVAL);
}

TEST_F(Files, very_deep_trees_are_removed) {
  std::string path = root;
  for (int i = 0; i < 300; ++i) path += "/deeeeeeep";
  fs::create_directories(path);
  EXPECT_FALSE(host.ask(Type::remove, Remove{at("deeeeeeep"), "", true}).failed);
  EXPECT_EQ(count(), 0U);
}

TEST_F(Files, permissions_are_the_users) {
  ASSERT_EQ(::getuid(), 0U) << "another user's rights need root";
  put("secret", "root's");
  ::chmod(at("secret").c_str(), 0600);
  ::chmod(root.c_str(), 0777);
  EXPECT_EQ(host.ask(Type::read, Read{at("secret"), "1000", 0, 100}).failed.value().error, EACCES);
  EXPECT_EQ(write({at("secret"), "1000", 0, false}, "x").failed.value().error, EACCES);
  EXPECT_EQ(get("secret"), "root's");
  const auto status = write({at("own"), "1000:1001", 0, false}, "x").as<FileStatus>();
  EXPECT_EQ(status.uid, 1000U);
  EXPECT_EQ(status.gid, 1001U);
  ::chmod(root.c_str(), 0755);
  EXPECT_EQ(write({at("no"), "1000", 0, false}, "x").failed.value().error, EACCES);
  EXPECT_EQ(host.ask(Type::remove, Remove{at("own"), "1000", false}).failed.value().error, EACCES);
  // And it is itself again: the file keeps its owner when root writes to it.
  EXPECT_EQ(write({at("own"), "", 0, false}, "xyz").as<FileStatus>().uid, 1000U);
}

class Watched : public Files {
 protected:
  FileEvent event(std::uint32_t call) {
    const Frame frame = host.next();
    EXPECT_EQ(frame.type, Type::data);
    EXPECT_EQ(frame.call, call);
    return decode<FileEvent>(frame.payload).value();
  }
  void until(std::uint32_t call, Change change, const std::string& path) {
    while (true) {
      const FileEvent one = event(call);
      if (one.change == change && one.path == path) return;
    }
  }
};

TEST_F(Watched, changes_are_told_until_it_is_cancelled) {
  fs::create_directories(at("d"));
  const std::uint32_t call = host.request(Type::watch, Watch{root, "", true});
  ASSERT_FALSE(host.ask(Type::ping, Empty{}).failed);
  put("a", "text");
  until(call, Change::created, "a");
  until(call, Change::written, "a");
  fs::rename(at("a"), at("b"));
  until(call, Change::renamed, "a");
  until(call, Change::created, "b");
  ::chmod(at("b").c_str(), 0600);
  until(call, Change::attributes, "b");
  fs::remove(at("b"));
  until(call, Change::removed, "b");
  put("d/inside", "");
  until(call, Change::written, "d/inside");
  fs::create_directories(at("new/deeper"));
  until(call, Change::created, "new");
  until(call, Change::created, "new/deeper");
  put("new/deeper/file", "");
  until(call, Change::written, "new/deeper/file");
  host.send(Type::cancel, call, "");
  EXPECT_FALSE(host.finish(call).failed);
  EXPECT_EQ(host.ask(Type::watch, Watch{at("missing"), "", false}).failed.value().error, ENOENT);
}

TEST_F(Watched, too_many_changes_are_an_overflow) {
  const std::uint32_t call = host.request(Type::watch, Watch{root, "", false});
  ASSERT_FALSE(host.ask(Type::ping, Empty{}).failed);
  // More than the credit and the kernel's queue hold, while nobody reads.
  for (int i = 0; i < 40000; ++i) {
    put("f", "");
    if (i % 2 == 0) fs::remove(at("f"));
  }
  while (true) {
    const FileEvent one = event(call);
    host.send(Type::credit, call, encode(Credit{4096}));
    if (one.change == Change::overflow) break;
  }
}

}  // namespace
}  // namespace sandboxd::test
