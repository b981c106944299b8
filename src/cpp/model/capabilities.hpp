// The Linux capabilities that a container has which asks for none: what Docker and CRI give, too.
#pragma once

#include <array>
#include <string_view>

namespace sandboxd::model {

inline constexpr std::array<std::string_view, 14> kDefaultCapabilities = {
    "CHOWN",   "DAC_OVERRIDE", "FOWNER",           "FSETID",     "KILL",  "SETGID",      "SETUID",
    "SETPCAP", "NET_RAW",      "NET_BIND_SERVICE", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"};

}  // namespace sandboxd::model
