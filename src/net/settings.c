/* SPDX-License-Identifier: MIT */
#include "config/setting.h"
#include "net/tls.h"

#define SETTINGS_STRUCT struct tls_settings
const struct setting tls_settings[] = {
	S_ENUM(ssl, "yes", "no:yes:required",
	       "Whether TLS is offered. With \"required\" nobody may log in "
	       "without it, not even with mechanisms that hide the password."),
	S_FILE(ssl_cert, "", 0,
	       "The server's certificate with its chain, in PEM: \"</path\"."),
	S_FILE(ssl_key, "", SETTING_SECRET,
	       "The private key of ssl_cert, in PEM: \"</path\"."),
	S_FILE(ssl_alt_cert, "", 0,
	       "A second certificate with another kind of key (RSA beside "
	       "ECDSA)."),
	S_FILE(ssl_alt_key, "", SETTING_SECRET,
	       "The private key of ssl_alt_cert."),
	S_FILE(ssl_ca, "", 0,
	       "Certificates of the authorities that sign the clients', and "
	       "their revocation lists."),
	S_FLAGS(ssl_key_password, "", SETTING_SECRET,
		"What ssl_key is encrypted with."),
	S_FILE(ssl_dh, "", 0,
	       "Parameters for Diffie-Hellman key exchange; OpenSSL's own if "
	       "empty."),
	S_SERVED(ssl_min_protocol, "TLSv1.2",
		 "any:sslv3:tlsv1:tlsv1.0:tlsv1.1:tlsv1.2:tlsv1.3:latest",
		 "The oldest version of TLS that is spoken."),
	S(ssl_cipher_list,
	  "ALL:!kRSA:!SRP:!kDHd:!DSS:!aNULL:!eNULL:!EXPORT:!DES:!3DES:!MD5:"
	  "!PSK:!RC4:!ADH:!LOW@STRENGTH",
	  "Ciphers up to TLSv1.2, in OpenSSL's notation."),
	S(ssl_cipher_suites, "",
	  "Ciphers of TLSv1.3; OpenSSL's default if empty."),
	S(ssl_curve_list, "",
	  "Groups for the key exchange, by preference; OpenSSL's default if "
	  "empty."),
	S(ssl_options, "",
	  "\"no_ticket\" turns session tickets off, \"no_compression\" is "
	  "always in force."),
	S(ssl_cert_username_field, "commonName",
	  "The field of a client's certificate that names the user."),
	S(ssl_prefer_server_ciphers, "no",
	  "The order of our ciphers counts, not that of the client's."),
	S(ssl_verify_client_cert, "no", "Ask clients for a certificate."),
	S(ssl_require_crl, "yes",
	  "A client's certificate counts only with a revocation list for each "
	  "authority in its chain."),
	S(verbose_ssl, "no", "Log each step of TLS handshakes, and alerts."),
	SETTINGS_END,
};
SETTINGS_REGISTER(tls_settings, "");
#undef SETTINGS_STRUCT

#define SETTINGS_STRUCT struct tls_client_settings
const struct setting tls_client_settings[] = {
	S(ssl_client_ca_dir, "",
	  "Directory of certificates that the server trusts when it is a "
	  "client."),
	S(ssl_client_ca_file, "",
	  "File of certificates that the server trusts when it is a client."),
	S_FILE(ssl_client_cert, "", 0,
	       "Certificate of the server when it is a client."),
	S_FILE(ssl_client_key, "", SETTING_SECRET,
	       "The private key of ssl_client_cert."),
	S(ssl_client_require_valid_cert, "yes",
	  "Refuse servers without a valid certificate."),
	SETTINGS_END,
};
SETTINGS_REGISTER(tls_client_settings, "");
#undef SETTINGS_STRUCT
