// SPDX-License-Identifier: Apache-2.0
// The client verifies who it talks to: certificates made here, a TLS server of a few lines.
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <future>
#include <thread>

#include "base/file.h"
#include "http/async_client.h"
#include "tests/http/raw_socket.h"
#include "tests/support/temp_folder.h"

namespace afina::http {
namespace {

/// A self-signed certificate for one name, as OpenSSL objects and as PEM.
struct Identity {
  explicit Identity(const char* alternative_name) : key(EVP_EC_gen("P-256")), certificate(X509_new()) {
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("afina test"), -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    for (const auto& [nid, value] :
         {std::pair{NID_subject_alt_name, alternative_name}, {NID_basic_constraints, "CA:TRUE"}}) {
      X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
      X509_add_ext(certificate, extension, -1);
      X509_EXTENSION_free(extension);
    }
    X509_sign(certificate, key, EVP_sha256());
  }
  ~Identity() {
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;
  std::string pem() const {
    BIO* memory = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(memory, certificate);
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    std::string text(data, static_cast<size_t>(size));
    BIO_free(memory);
    return text;
  }
  EVP_PKEY* key;
  X509* certificate;
};

/// Answers every request with {"ok":true} over TLS.
class TlsServer {
 public:
  explicit TlsServer(const Identity& identity) : context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_use_certificate(context_, identity.certificate);
    SSL_CTX_use_PrivateKey(context_, identity.key);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), length);
    ::listen(listener_, 8);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (int fd; (fd = ::accept(listener_, nullptr, nullptr)) >= 0;)
        serve(fd);
    });
  }
  ~TlsServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    SSL_CTX_free(context_);
  }
  int port = 0;

 private:
  void serve(int fd) {
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    SSL* tls = SSL_new(context_);
    SSL_set_fd(tls, fd);
    char bytes[4096];
    if (SSL_accept(tls) == 1 && SSL_read(tls, bytes, sizeof bytes) > 0) {
      constexpr std::string_view kAnswer =
          "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{\"ok\":true}";
      SSL_write(tls, kAnswer.data(), static_cast<int>(kAnswer.size()));
      SSL_shutdown(tls);
    }
    SSL_free(tls);
    ::close(fd);
  }
  SSL_CTX* context_;
  int listener_ = -1;
  std::thread thread_;
};

/// Throws UpstreamError unless both clients accept the server.
Json ask(const TlsServer& server, const std::string& ca_file) {
  ClientOptions options;
  options.base_url = cat("https://127.0.0.1:", server.port);
  options.ca_file = ca_file;
  options.max_retries = 0;
  std::promise<std::string> promise;
  AsyncClient client;
  client.start({.endpoint = std::make_shared<const Endpoint>(Endpoint{options, {.allow_loopback = true}}),
                .method = "GET",
                .path = "/"},
               {.on_end = [&](ClientResponse response, std::exception_ptr error) {
                 promise.set_value(error ? "" : response.body);
               }});
  const std::string async = promise.get_future().get();
  try {
    const Json blocking = Client(options).get_json("/");
    EXPECT_EQ(blocking.dump(), async);
    return blocking;
  } catch (const UpstreamError&) {
    EXPECT_EQ(async, "") << "one client accepts what the other refuses";
    throw;
  }
}

TEST(Tls, ATrustedCertificateOfTheRightNameIsAcceptedAndNoOther) {
  const TempFolder folder;
  const Identity ours("IP:127.0.0.1"), other_name("DNS:other.example"), stranger("IP:127.0.0.1");
  const std::string ours_file = (folder.path() / "ours.pem").string(),
                    other_file = (folder.path() / "other.pem").string();
  write_file_atomic(ours_file, ours.pem());
  write_file_atomic(other_file, other_name.pem());
  {
    const TlsServer server(ours);
    EXPECT_EQ(ask(server, ours_file), (Json{{"ok", true}}));
    EXPECT_THROW(ask(server, ""), UpstreamError);  // not in the system's store
    EXPECT_THROW(ask(server, other_file), UpstreamError);
    EXPECT_THROW(ask(server, (folder.path() / "missing.pem").string()), UpstreamError);
  }
  EXPECT_THROW(ask(TlsServer(other_name), other_file), UpstreamError);
  EXPECT_THROW(ask(TlsServer(stranger), ours_file), UpstreamError);
}

}  // namespace
}  // namespace afina::http
