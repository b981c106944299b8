#include "codec/guest_wire.hpp"

#include "codec/base64.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::codec::guest {
namespace {

using testing::HasSubstr;

TEST(Base64, GoesThereAndBack) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
    bytes.push_back(static_cast<char>(i * 7));
  }
  EXPECT_EQ(encode_base64("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
  for (const char* wrong : {"YQ", "YQ=", "Y===", "YR==", "Y!==", "=YQ="}) EXPECT_FALSE(decode_base64(wrong)) << wrong;
}

TEST(GuestWire, SpecsGoThereAndBack) {
  model::CommandSpec spec;
  spec.id = "cmd_1";
  spec.container = "main";
  spec.argv = {"sh", "-c", "true"};
  spec.env = {{"A", "b=c"}};
  spec.cwd = "/tmp";
  spec.user = "nobody:nogroup";
  spec.has_stdin = true;
  spec.terminal = model::TerminalSize{30, 100};
  spec.wait_for_reader = true;
  spec.keep_bytes = 5;
  spec.timeout = std::chrono::milliseconds(1500);
  spec.labels = {{"k", "v"}};
  const auto back = decode_spec(encode_spec(spec));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, spec);
}

TEST(GuestWire, BadSpecsNameTheMember) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[]", "object"},
      {"{}", "argv"},
      {R"({"argv": []})", "argv"},
      {R"({"argv": [""]})", "argv"},
      {R"({"argv": ["a\u0000b"]})", "argv"},
      {R"({"argv": ["a"], "id": "a b"})", "id"},
      {R"({"argv": ["a"], "env": {"A=B": "x"}})", "env"},
      {R"({"argv": ["a"], "env": {"": "x"}})", "env"},
      {R"({"argv": ["a"], "keep_bytes": -1})", "keep_bytes"},
      {R"({"argv": ["a"], "keep_bytes": 999999999})", "keep_bytes"},
      {R"({"argv": ["a"], "timeout_ms": -1})", "timeout_ms"},
      {R"({"argv": ["a"], "terminal": {"rows": 0}})", "terminal"},
      {R"({"argv": ["a"], "terminal": {"rows": 70000}})", "terminal"},
      {R"({"argv": "a"})", "argv"},
      {R"({"argv": ["a"], "labels": {"k": ")" + std::string(300, 'x') + "\"}}", "labels"},
  };
  for (const auto& [body, member] : cases) {
    const auto spec = decode_spec(body);
    ASSERT_FALSE(spec) << body;
    EXPECT_EQ(spec.error().code(), ErrorCode::invalid_argument);
    EXPECT_THAT(spec.error().message(), HasSubstr(member)) << body;
  }
}

TEST(GuestWire, InputOfAnExecIsTextOrBase64) {
  const auto text = decode_exec(R"({"argv":["cat"],"input":""})");
  ASSERT_TRUE(text);
  EXPECT_EQ(text->input, "");
  EXPECT_TRUE(text->spec.has_stdin);
  const auto bytes = decode_exec(R"({"argv":["cat"],"input_base64":"AP8="})");
  ASSERT_TRUE(bytes);
  EXPECT_EQ(bytes->input, std::string("\0\xFF", 2));
  const auto none = decode_exec(R"({"argv":["cat"]})");
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->input || none->spec.has_stdin);
  EXPECT_FALSE(decode_exec(R"({"argv":["cat"],"input_base64":"x"})"));
  EXPECT_FALSE(decode_exec(R"({"argv":["cat"],"input":"a","input_base64":"AP8="})"));
  EXPECT_FALSE(decode_exec(R"({"argv":["cat"],"input":"a","terminal":{"rows":1,"columns":1}})"));
}

TEST(GuestWire, CommandsGoThereAndBack) {
  model::Command command;
  command.id = "one";
  command.sandbox = SandboxId("box");
  command.container = "main";
  command.argv = {"true"};
  command.terminal = true;
  command.labels = {{"a", "b"}};
  command.started_at = WallTime{1'700'000'000'000'000'001};
  json::object body;
  body["command"] = command_object(command);
  EXPECT_EQ(*decode_command(write_json(body)), command);
  command.finished_at = WallTime{1'700'000'001'000'000'000};
  command.exit_code = 137;
  command.signal = 9;
  command.timed_out = true;
  command.stdout_bytes = 12;
  body["command"] = command_object(command);
  EXPECT_EQ(*decode_command(write_json(body)), command);
  EXPECT_EQ(decode_command("{}").error().code(), ErrorCode::protocol_error);
}

TEST(GuestWire, OutputLinesGoThereAndBackWhateverTheBytes) {
  for (const std::string& bytes :
       {std::string("text\n"), std::string("ä\x1b[0m"), std::string("\xff\xfe"), std::string("a\0b", 3), std::string(),
        std::string(100, 'x') + "<\"\\>&\n" + std::string(63, 'y') + "\x7f\xc3\xa4", std::string(100, 'x') + "\xc3",
        std::string(1001, '\xff')}) {
    const model::OutputPiece piece{true, 77, bytes};
    const auto line = decode_line(encode_piece(piece));
    ASSERT_TRUE(line) << line.error().message();
    const auto& back = std::get<model::OutputPiece>(*line);
    EXPECT_TRUE(back.is_stderr);
    EXPECT_EQ(back.position, 77U);
    EXPECT_EQ(back.bytes, bytes);
  }
  const auto error = decode_line(R"({"error": "gone", "code": "unavailable"})");
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error().code(), ErrorCode::unavailable);
}

TEST(GuestWire, OutputAndFilesGoThereAndBack) {
  const model::CommandOutput output{"out", std::string("\0\xff", 2), 5, 6};
  json::object body;
  put_output(body, output);
  const auto back = decode_output(write_json(body));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->stdout_bytes, output.stdout_bytes);
  EXPECT_EQ(back->stderr_bytes, output.stderr_bytes);
  EXPECT_EQ(back->stderr_begin, 6U);
  model::FileInfo file;
  file.path = "a\xff";
  file.kind = model::FileKind::link;
  file.mode = 0120777;
  file.size = 3;
  file.owner = "root";
  file.modified_at = WallTime{1'700'000'000'000'000'000};
  file.target = "/x";
  json::object one;
  one["file"] = file_object(file);
  EXPECT_EQ(*decode_file(write_json(one)), file);
}

TEST(GuestWire, SignalsAndSizesAreChecked) {
  EXPECT_EQ(decode_signal(R"({"signal": 9, "group": false, "wait_ms": 50})")->number, 9);
  EXPECT_FALSE(decode_signal(R"({"signal": 0})"));
  EXPECT_FALSE(decode_signal(R"({"signal": 65})"));
  EXPECT_FALSE(decode_signal("{}"));
  EXPECT_EQ(decode_size(R"({"rows": 2, "columns": 3})")->columns, 3);
  EXPECT_FALSE(decode_size(R"({"rows": 2})"));
}

}  // namespace
}  // namespace sandboxd::codec::guest
