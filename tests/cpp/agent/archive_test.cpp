// Archives out of a sandbox and into one; and the hostile ones.
#include "agent/host.hpp"
#include "agent/tar.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
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

class Archive : public ::testing::Test {
 protected:
  Archive() : host(AgentHost::holding()), root(files.path()) { host.accept(); }
  std::string at(const std::string& name) const { return root + "/" + name; }
  void put(const std::string& name, const std::string& text) const { std::ofstream(at(name)) << text; }
  std::string get(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(at(name)).rdbuf();
    return text.str();
  }
  bool shell(const std::string& script) const { return std::system(("cd " + root + " && " + script).c_str()) == 0; }
  Answered pack(const std::string& path) { return host.ask(Type::pack, Path{path, "", true, 1}); }
  Answered unpack(const std::string& archive, const std::string& path, const std::string& user = "") {
    const std::uint32_t call = host.request(Type::unpack, Write{path, user, 0, true});
    for (std::size_t at = 0; at < archive.size() && at < kCreditStart; at += 1000) {
      host.send(Type::data, call, archive.substr(at, 1000));
    }
    host.send(Type::eof, call, "");
    return host.finish(call);
  }
  static std::string entry(TarEntry::Kind kind, const std::string& path, const std::string& target = "",
                           const std::string& text = "") {
    TarEntry one;
    one.kind = kind;
    one.path = path;
    one.target = target;
    one.mode = 0644;
    one.size = text.size();
    return tar_header(one) + text + std::string(tar_padding(text.size()), '\0');
  }

  TempDir files;
  AgentHost host;
  std::string root;
};

TEST_F(Archive, what_was_packed_is_read_by_tar_and_unpacked_the_same) {
  fs::create_directories(at("a/b"));
  put("a/one", "text");
  put("a/b/two", std::string(100000, 'x'));
  put("a/b/" + std::string(150, 'n'), "long");
  put("a/\xff odd\n", "odd");
  fs::create_symlink("b/two", at("a/link"));
  fs::create_hard_link(at("a/one"), at("a/other"));
  ::chmod(at("a/one").c_str(), 0751);
  fs::create_directories(at("a/closed"));
  put("a/closed/in", "in");
  ::chmod(at("a/closed").c_str(), 0555);
  const Answered packed = pack(at("a"));
  ASSERT_FALSE(packed.failed);
  std::ofstream(at("a.tar")) << packed.data;
  ASSERT_TRUE(shell("mkdir by-tar && tar -xpf a.tar -C by-tar && diff -r --no-dereference a by-tar"));
  ASSERT_FALSE(unpack(packed.data, at("by-agent")).failed);
  ASSERT_TRUE(shell("diff -r --no-dereference a by-agent"));
  struct stat before{};
  struct stat after{};
  ::stat(at("a/one").c_str(), &before);
  ::stat(at("by-agent/one").c_str(), &after);
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
  EXPECT_EQ(after.st_nlink, 2U);
  ::stat(at("by-agent/closed").c_str(), &after);
  EXPECT_EQ(after.st_mode & 07777U, 0555U);
  EXPECT_EQ(fs::read_symlink(at("by-agent/link")), "b/two");
}

TEST_F(Archive, a_file_is_an_archive_of_one) {
  put("one", "text");
  const Answered packed = pack(at("one"));
  ASSERT_FALSE(unpack(packed.data, at("d")).failed);
  EXPECT_EQ(get("d/one"), "text");
  EXPECT_EQ(pack(at("missing")).failed.value().error, ENOENT);
  EXPECT_EQ(pack("/dev/null").failed.value().error, EINVAL);
}

TEST_F(Archive, archives_of_tar_are_unpacked) {
  fs::create_directories(at("src/" + std::string(90, 'd')));
  put("src/" + std::string(90, 'd') + "/" + std::string(90, 'f'), "deep");
  put("src/plain", "plain");
  for (const std::string format : {"gnu", "ustar", "pax"}) {
    ASSERT_TRUE(shell("tar --format=" + format + " -cf " + format + ".tar -C src ."));
    ASSERT_FALSE(unpack(get(format + ".tar"), at("out-" + format)).failed) << format;
    EXPECT_TRUE(shell("diff -r src out-" + format)) << format;
  }
}

TEST_F(Archive, names_that_lead_out_are_refused) {
  for (const std::string name : {"/abs", "../up", "a/../../up", "a/.."}) {
    const Answered refused = unpack(entry(TarEntry::Kind::file, name, "", "x") + tar_end(), at("d"));
    EXPECT_EQ(refused.failed.value().error, EINVAL) << name;
  }
  EXPECT_FALSE(fs::exists(at("up")));
}

TEST_F(Archive, links_are_no_way_out) {
  put("victim", "mine");
  // A link of the archive's, and one that was there.
  const std::string through =
      entry(TarEntry::Kind::symbolic_link, "l", root) + entry(TarEntry::Kind::file, "l/victim", "", "gone") + tar_end();
  const Answered first = unpack(through, at("d"));
  ASSERT_TRUE(first.failed);
  EXPECT_TRUE(first.failed->error == ELOOP || first.failed->error == ENOTDIR) << first.failed->text;
  // A file of the link's name replaces the link, not what it names.
  fs::create_symlink(at("victim"), at("d/v"));
  ASSERT_FALSE(unpack(entry(TarEntry::Kind::file, "v", "", "new") + tar_end(), at("d")).failed);
  EXPECT_FALSE(fs::is_symlink(at("d/v")));
  EXPECT_EQ(get("d/v"), "new");
  // Hard links stay inside too.
  EXPECT_TRUE(unpack(entry(TarEntry::Kind::hard_link, "h", "../victim") + tar_end(), at("d")).failed);
  EXPECT_TRUE(unpack(entry(TarEntry::Kind::hard_link, "h", at("victim")) + tar_end(), at("d")).failed);
  EXPECT_TRUE(unpack(entry(TarEntry::Kind::hard_link, "h", "l/victim") + tar_end(), at("d")).failed);
  EXPECT_EQ(get("victim"), "mine");
}

TEST_F(Archive, what_is_no_archive_is_refused) {
  EXPECT_EQ(unpack(std::string(512, 'x'), at("d")).failed.value().error, EINVAL);
  const std::string whole = entry(TarEntry::Kind::file, "f", "", std::string(2000, 'x')) + tar_end();
  EXPECT_EQ(unpack(whole.substr(0, 1500), at("d")).failed.value().error, EINVAL);
  EXPECT_EQ(unpack(entry(TarEntry::Kind::block, "dev") + tar_end(), at("d")).failed.value().error, EPERM);
  EXPECT_FALSE(unpack("", at("d")).failed);  // nothing in it
}

TEST_F(Archive, what_is_unpacked_is_the_users) {
  ASSERT_EQ(::getuid(), 0U) << "another user's rights need root";
  ::chmod(root.c_str(), 0777);
  ASSERT_FALSE(unpack(entry(TarEntry::Kind::file, "d/f", "", "x") + tar_end(), at("u"), "1000").failed);
  struct stat status{};
  ASSERT_EQ(::stat(at("u/d/f").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 1000U);
}

}  // namespace
}  // namespace sandboxd::test
