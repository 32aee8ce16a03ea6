// SPDX-License-Identifier: Apache-2.0
/*
 * TlsServer - a TLS server as Java programs have it: its keys are in the key store PKCS11, whatever that is
 *
 * Listens for each ALIAS on a port of its own and says on which; answers each connection with its version of TLS, and
 * says why one failed. It knows nothing of keysvc.
 */
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.X509ExtendedKeyManager;

public class TlsServer {
    public static void main(String[] aliases) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS11");
        store.load(null, null);
        for (String alias : aliases) {
            if (store.isKeyEntry(alias)) {
                serve(store, alias);
            } else {
                System.out.println("the key store has no key with certificate " + alias);
            }
        }
    }

    private static void serve(KeyStore store, String alias) throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(new KeyManager[] {new OneKey(store, alias)}, null, null);
        SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory()
                .createServerSocket(0, 50, InetAddress.getLoopbackAddress());
        System.out.println(alias + " listens on " + listener.getLocalPort());
        new Thread(() -> accept(listener, alias)).start();
    }

    private static void accept(SSLServerSocket listener, String alias) {
        while (true) {
            try (SSLSocket socket = (SSLSocket) listener.accept()) {
                socket.startHandshake();
                socket.getOutputStream().write((socket.getSession().getProtocol() + "\n").getBytes());
            } catch (IOException | RuntimeException error) {
                for (Throwable why = error; why != null; why = why.getCause()) {
                    System.out.println(alias + ": " + why);
                }
            }
        }
    }

    // The key manager of the key store's, but for the choice among its keys.
    private static class OneKey extends X509ExtendedKeyManager {
        private final X509ExtendedKeyManager all;
        private final String alias;

        OneKey(KeyStore store, String alias) throws Exception {
            KeyManagerFactory factory = KeyManagerFactory.getInstance("SunX509");
            factory.init(store, null);
            this.all = (X509ExtendedKeyManager) factory.getKeyManagers()[0];
            this.alias = alias;
        }

        @Override
        public String chooseEngineServerAlias(String type, Principal[] issuers, SSLEngine engine) {
            return chooseServerAlias(type, issuers, null);
        }

        @Override
        public String chooseServerAlias(String type, Principal[] issuers, Socket socket) {
            return getPrivateKey(alias).getAlgorithm().equals(type) ? alias : null;
        }

        @Override
        public String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) {
            return alias;
        }

        @Override
        public String[] getServerAliases(String type, Principal[] issuers) {
            return new String[] {alias};
        }

        @Override
        public String[] getClientAliases(String type, Principal[] issuers) {
            return new String[] {alias};
        }

        @Override
        public X509Certificate[] getCertificateChain(String name) {
            return all.getCertificateChain(name);
        }

        @Override
        public PrivateKey getPrivateKey(String name) {
            return all.getPrivateKey(name);
        }
    }
}
