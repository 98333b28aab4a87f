/* Answers every connection with the SHA-256 of the time, through OpenSSL: a program with shared libraries. */
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int port(void) {
    const char *text = getenv("PORT");
    return text ? atoi(text) : 8101;
}

static int check(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port())};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    char answer[128] = {0};
    int end = socket(AF_INET, SOCK_STREAM, 0);
    if (end < 0 || connect(end, (struct sockaddr *)&to, sizeof to) != 0)
        return 1;
    return read(end, answer, sizeof answer - 1) == 65 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--check") == 0)
        return check();
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port())};
    at.sin_addr.s_addr = htonl(INADDR_ANY);
    int yes = 1, listening = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listening, (struct sockaddr *)&at, sizeof at) != 0 || listen(listening, 16) != 0) {
        perror("listen");
        return 1;
    }
    for (;;) {
        int end = accept(listening, NULL, NULL);
        if (end < 0)
            continue;
        char now[32];
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned int len = 0;
        int size = snprintf(now, sizeof now, "%ld", (long)time(NULL));
        EVP_Digest(now, size, digest, &len, EVP_sha256(), NULL);
        for (unsigned int i = 0; i < len; i++)
            dprintf(end, "%02x", digest[i]);
        dprintf(end, "\n");
        close(end);
    }
}
