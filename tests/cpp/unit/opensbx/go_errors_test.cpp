// Request bodies are refused in Go's words.
#include "orch/api/opensbx/go_errors.hpp"

#include "orch/api/opensbx/wire.hpp"

#include <gtest/gtest.h>

namespace sandboxd::orch::opensbx {
namespace {

std::string syntax(std::string_view text) {
  const auto value = parse_go_json(text);
  return value ? "" : value.error().message();
}

template <class T>
std::string words(const Result<T>& result) {
  return result ? "" : result.error().message();
}

struct Case {
  std::string_view text;
  std::string_view message;
};

TEST(OpensbxGoJson, malformed_text_is_named_as_go_names_it) {
  const Case cases[] = {
      {"", "EOF"},
      {" \n\t ", "EOF"},
      {"{", "unexpected EOF"},
      {R"({"image")", "unexpected EOF"},
      {R"({"image":"a)", "unexpected EOF"},
      {"tru", "unexpected EOF"},
      {"[1", "unexpected EOF"},
      {"x", "invalid character 'x' looking for beginning of value"},
      {"'", R"(invalid character '\'' looking for beginning of value)"},
      {"{'a':1}", R"(invalid character '\'' looking for beginning of object key string)"},
      {R"({"a":1,})", "invalid character '}' looking for beginning of object key string"},
      {"[1,]", "invalid character ']' looking for beginning of value"},
      {R"({"a" 1})", "invalid character '1' after object key"},
      {R"({"a":1 "b":2})", "invalid character '\"' after object key:value pair"},
      {"[1 2]", "invalid character '2' after array element"},
      {"trUe", "invalid character 'U' in literal true (expecting 'u')"},
      {"nul!", "invalid character '!' in literal null (expecting 'l')"},
      {"-x", "invalid character 'x' in numeric literal"},
      {"1.x", "invalid character 'x' after decimal point in numeric literal"},
      {"1ex", "invalid character 'x' in exponent of numeric literal"},
      {"\"a\nb\"", R"(invalid character '\n' in string literal)"},
      {R"("\q")", "invalid character 'q' in string escape code"},
      {R"("\u12g4")", R"(invalid character 'g' in \u hexadecimal character escape)"},
      {"\x01", R"(invalid character '\x01' looking for beginning of value)"},
      {"\xc3\xa9", "invalid character '\xc3\x83' looking for beginning of value"},
  };
  for (const Case& one : cases) EXPECT_EQ(syntax(one.text), one.message) << one.text;
}

TEST(OpensbxGoJson, the_first_value_counts_and_what_follows_does_not) {
  EXPECT_EQ(syntax(R"({"a":1} and more)"), "");
  EXPECT_EQ(syntax("{}}"), "");
  EXPECT_EQ(syntax(std::string(kGoDepthMax + 2, '[')), "exceeded max depth");
}

TEST(OpensbxGoJson, strings_are_read_as_go_reads_them) {
  const auto text_of = [](std::string_view text) { return parse_go_json(text)->text; };
  EXPECT_EQ(text_of(R"("a\n\"\\\/\u00e9")"), "a\n\"\\/\xc3\xa9");
  EXPECT_EQ(text_of(R"("\ud83d\ude00")"), "\xf0\x9f\x98\x80");
  EXPECT_EQ(text_of(R"("\ud83dx")"), "\xef\xbf\xbdx");
  EXPECT_EQ(text_of(R"("\ud83d\u0041")"),
            "\xef\xbf\xbd"
            "A");
  EXPECT_EQ(text_of("\"\xff\""), "\xef\xbf\xbd");
}

TEST(OpensbxGoErrors, what_does_not_fit_is_named_with_its_field_and_type) {
  const Case cases[] = {
      {R"({"image":5})",
       "json: cannot unmarshal number into Go struct field CreateSandboxRequest.image of type string"},
      {R"({"image":"a","timeout":"5"})",
       "json: cannot unmarshal string into Go struct field CreateSandboxRequest.timeout of type int"},
      {R"({"image":"a","timeout":1.5})",
       "json: cannot unmarshal number 1.5 into Go struct field CreateSandboxRequest.timeout of type int"},
      {R"({"image":"a","timeout":1e3})",
       "json: cannot unmarshal number 1e3 into Go struct field CreateSandboxRequest.timeout of type int"},
      {R"({"image":"a","timeout":9223372036854775808})",
       "json: cannot unmarshal number 9223372036854775808 into Go struct field CreateSandboxRequest.timeout of type "
       "int"},
      {R"({"image":"a","ports":[3000]})",
       "json: cannot unmarshal number into Go struct field CreateSandboxRequest.ports of type string"},
      {R"({"image":"a","ports":"3000"})",
       "json: cannot unmarshal string into Go struct field CreateSandboxRequest.ports of type []string"},
      {R"({"image":"a","env":{"A":"b"}})",
       "json: cannot unmarshal object into Go struct field CreateSandboxRequest.env of type []string"},
      {R"({"image":"a","resources":{"memory":true}})",
       "json: cannot unmarshal bool into Go struct field ResourceLimits.resources.memory of type int64"},
      {R"({"image":"a","resources":{"cpus":"1"}})",
       "json: cannot unmarshal string into Go struct field ResourceLimits.resources.cpus of type float64"},
      {R"({"image":"a","resources":{"cpus":1e999}})",
       "json: cannot unmarshal number 1e999 into Go struct field ResourceLimits.resources.cpus of type float64"},
      {R"({"image":"a","resources":5})",
       "json: cannot unmarshal number into Go struct field CreateSandboxRequest.resources of type "
       "models.ResourceLimits"},
      {R"({"image":null,"ports":["a",{}]})",
       "json: cannot unmarshal object into Go struct field CreateSandboxRequest.ports of type string"},
      {"\"text\"", "json: cannot unmarshal string into Go value of type models.CreateSandboxRequest"},
      {"[]", "json: cannot unmarshal array into Go value of type models.CreateSandboxRequest"},
      {"7", "json: cannot unmarshal number into Go value of type models.CreateSandboxRequest"},
  };
  for (const Case& one : cases) EXPECT_EQ(words(decode_create(one.text)), one.message) << one.text;
  EXPECT_EQ(words(decode_exec(R"({"command":"a","env":{"A":1}})")),
            "json: cannot unmarshal number into Go struct field ExecCommandRequest.env of type string");
  EXPECT_EQ(words(decode_exec(R"({"command":["a"]})")),
            "json: cannot unmarshal array into Go struct field ExecCommandRequest.command of type string");
  EXPECT_EQ(words(decode_exec(R"({"command":"a","args":"b"})")),
            "json: cannot unmarshal string into Go struct field ExecCommandRequest.args of type []string");
  EXPECT_EQ(words(decode_exec(R"({"command":"a","env":["A=b"]})")),
            "json: cannot unmarshal array into Go struct field ExecCommandRequest.env of type map[string]string");
  EXPECT_EQ(words(decode_kill(R"({"signal":"TERM"})")),
            "json: cannot unmarshal string into Go struct field KillCommandRequest.signal of type int");
  EXPECT_EQ(words(decode_renew(R"({"timeout":0.5})")),
            "json: cannot unmarshal number 0.5 into Go struct field RenewExpirationRequest.timeout of type int");
  EXPECT_EQ(words(decode_pull(R"({"image":{}})")),
            "json: cannot unmarshal object into Go struct field ImagePullRequest.image of type string");
  EXPECT_EQ(words(decode_content(R"({"content":true})", false)),
            "json: cannot unmarshal bool into Go struct field FileWriteRequest.content of type string");
}

TEST(OpensbxGoErrors, of_several_misfits_the_first_of_the_text_is_told) {
  EXPECT_EQ(words(decode_create(R"({"timeout":"x","image":5})")),
            "json: cannot unmarshal string into Go struct field CreateSandboxRequest.timeout of type int");
  EXPECT_EQ(words(decode_create(R"({"resources":{"cpus":"1","memory":"2"},"image":5})")),
            "json: cannot unmarshal string into Go struct field ResourceLimits.resources.cpus of type float64");
}

TEST(OpensbxGoErrors, required_means_not_the_zero_value) {
  const std::string none =
      "Key: 'KillCommandRequest.Signal' Error:Field validation for 'Signal' failed on the 'required' tag";
  for (const char* body : {"{}", "null", R"({"signal":0})", R"({"signal":null})"}) {
    EXPECT_EQ(words(decode_kill(body)), none) << body;
  }
  EXPECT_EQ(words(decode_exec(R"({"command":""})")),
            "Key: 'ExecCommandRequest.Command' Error:Field validation for 'Command' failed on the 'required' tag");
  EXPECT_EQ(words(decode_pull("{}")),
            "Key: 'ImagePullRequest.Image' Error:Field validation for 'Image' failed on the 'required' tag");
  EXPECT_EQ(words(decode_renew("{}")),
            "Key: 'RenewExpirationRequest.Timeout' Error:Field validation for 'Timeout' failed on the 'required' tag");
  EXPECT_EQ(words(decode_renew(R"({"timeout":-1})")), "timeout must be > 0");
  EXPECT_EQ(decode_exec(R"({"command":" "})")->command, " ") << "blanks pass";
}

TEST(OpensbxGoErrors, names_match_whatever_their_case_and_the_last_counts) {
  const auto body = decode_create(R"({"IMAGE":"a","Timeout":1,"timeout":2,"unknown":{},"env":null})");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->image, "a");
  EXPECT_EQ(body->timeout, 2);
}

TEST(OpensbxGoErrors, empty_content_is_refused_by_the_strict_alone) {
  const std::string none =
      "Key: 'FileWriteRequest.Content' Error:Field validation for 'Content' failed on the 'required' tag";
  EXPECT_EQ(words(decode_content(R"({"content":""})", true)), none);
  EXPECT_EQ(words(decode_content("{}", false)), none);
  EXPECT_EQ(*decode_content(R"({"content":""})", false), "");
}

}  // namespace
}  // namespace sandboxd::orch::opensbx
