/*
 * The network of a sandbox: its own loopback and nothing else; or, for a user-mode network that attaches later, routes
 * that refuse the host's and the private addresses. Commands can't change them: they have no CAP_NET_ADMIN.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jail.h"

static void attribute(struct nlmsghdr *header, unsigned short type, const void *data, size_t length) {
  struct rtattr *a = (struct rtattr *)((char *)header + NLMSG_ALIGN(header->nlmsg_len));
  a->rta_type = type;
  a->rta_len = (unsigned short)RTA_LENGTH(length);
  memcpy(RTA_DATA(a), data, length);
  header->nlmsg_len = NLMSG_ALIGN(header->nlmsg_len) + RTA_ALIGN(a->rta_len);
}

/* `network` is an address with a prefix length, such as 10.0.0.0/8. */
static void route_refuse(int netlink, const char *network) {
  struct { struct nlmsghdr header; struct rtmsg route; char space[128]; } request;
  struct { struct nlmsghdr header; struct nlmsgerr error; char space[256]; } answer;
  char text[64];
  unsigned char address[16];
  const char *slash = strchr(network, '/');
  if (!slash || (size_t)(slash - network) >= sizeof text) fail("blocked network %s: not an address and a length", network);
  memcpy(text, network, (size_t)(slash - network));
  text[slash - network] = 0;
  int family = strchr(text, ':') ? AF_INET6 : AF_INET, size = family == AF_INET ? 4 : 16, bits = atoi(slash + 1);
  if (inet_pton(family, text, address) != 1 || bits < 0 || bits > size * 8) fail("blocked network %s: not an address", network);
  memset(&request, 0, sizeof request);
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.route);
  request.header.nlmsg_type = RTM_NEWROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK;
  request.route.rtm_family = (unsigned char)family;
  request.route.rtm_dst_len = (unsigned char)bits;
  request.route.rtm_table = RT_TABLE_MAIN;
  request.route.rtm_protocol = RTPROT_STATIC;
  request.route.rtm_scope = RT_SCOPE_UNIVERSE;
  request.route.rtm_type = RTN_UNREACHABLE;
  attribute(&request.header, RTA_DST, address, (size_t)size);
  if (send(netlink, &request, request.header.nlmsg_len, 0) < 0) fail("block %s: %m", network);
  ssize_t n = recv(netlink, &answer, sizeof answer, 0);
  if (n < (ssize_t)NLMSG_LENGTH(sizeof answer.error) || answer.header.nlmsg_type != NLMSG_ERROR) fail("block %s: no answer", network);
  if (answer.error.error == 0 || answer.error.error == -EEXIST) return;
  if (family == AF_INET6) return; /* a kernel without IPv6 has nothing to block */
  errno = -answer.error.error;
  fail("block %s: %m", network);
}

void network_up(const struct config *config) {
  if (config->network == NET_HOST) return;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request;
  memset(&request, 0, sizeof request);
  memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0) fail("bring the loopback up: %m");
  close(fd);
  if (config->blocked.count == 0) return;
  int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (netlink < 0) fail("open netlink: %m");
  for (int i = 0; i < config->blocked.count; i++) route_refuse(netlink, config->blocked.item[i]);
  close(netlink);
}
