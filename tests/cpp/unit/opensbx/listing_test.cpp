#include "orch/api/opensbx/listing.hpp"

#include <gtest/gtest.h>

namespace sandboxd::orch::opensbx {
namespace {

constexpr WallTime kAt{1'767'323'045'120'000'000};

model::FileInfo file(std::string name, std::uint32_t mode, std::uint64_t size) {
  model::FileInfo out;
  out.path = std::move(name);
  out.mode = mode;
  out.size = size;
  out.links = 1;
  out.owner = "root";
  out.group = "root";
  out.modified_at = kAt;
  return out;
}

TEST(OpensbxListing, modes_are_spelled_as_ls_spells_them) {
  EXPECT_EQ(mode_text(0100644), "-rw-r--r--");
  EXPECT_EQ(mode_text(0040755), "drwxr-xr-x");
  EXPECT_EQ(mode_text(0041777), "drwxrwxrwt");
  EXPECT_EQ(mode_text(0041776), "drwxrwxrwT");
  EXPECT_EQ(mode_text(0104755), "-rwsr-xr-x");
  EXPECT_EQ(mode_text(0102644), "-rw-r-Sr--");
  EXPECT_EQ(mode_text(0120777), "lrwxrwxrwx");
  EXPECT_EQ(mode_text(0010600), "prw-------");
}

TEST(OpensbxListing, a_directory_has_a_total_and_columns) {
  auto directory = file(".", 0040755, 4096);
  directory.links = 12;
  directory.kind = model::FileKind::directory;
  auto link = file("now", 0120777, 7);
  link.kind = model::FileKind::link;
  link.target = "big.bin";
  auto big = file("big.bin", 0100644, 123456);
  big.owner = "1000";
  EXPECT_EQ(directory_text({directory, big, link}, kAt),
            "total 128\n"
            "drwxr-xr-x 12 root root   4096 Jan  2 03:04 .\n"
            "-rw-r--r--  1 1000 root 123456 Jan  2 03:04 big.bin\n"
            "lrwxrwxrwx  1 root root      7 Jan  2 03:04 now -> big.bin\n");
}

TEST(OpensbxListing, a_file_is_one_line) {
  EXPECT_EQ(file_text(file("/etc/hosts", 0100644, 12), kAt), "-rw-r--r-- 1 root root 12 Jan  2 03:04 /etc/hosts\n");
}

}  // namespace
}  // namespace sandboxd::orch::opensbx
