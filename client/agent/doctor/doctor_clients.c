/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_clients - by whose certificates clients may come in, and whether the lists of revoked ones hold
 */
#include "client/agent/certificate/clientca.h"
#include "client/agent/doctor/doctor.h"

void
doctor_clients(struct doctor *doctor)
{
    const char *ca = doctor->config->client_ca_file, *crl = doctor->config->client_crl_file;
    struct fault lists = FAULT_INIT, why = FAULT_INIT;
    X509_STORE *store = NULL;

    if (ca[0] == '\0')
        return;
    if (clientca_load(ca, crl, NULL, &store, &lists, &why)) {
        doctor_add(doctor, DOCTOR_WRONG, KS_ERR_USAGE, "client-ca-file",
                   "Let the agent's user read it, a PEM of certificates; the agent does not start "
                   "without.",
                   "%s", why.text);
        return;
    }
    X509_STORE_free(store);
    doctor_add(doctor, DOCTOR_FINE, KS_OK, "client-ca-file", "", "%s: certificates by it are taken",
               ca);
    if (lists.text[0] != '\0')
        doctor_add(doctor, DOCTOR_WRONG, KS_ERR_CERTIFICATE_REFUSED, "client-crl-file",
                   "Fetch the list of each CA in client-ca-file and put them there, as PEM, by a "
                   "rename; until then clients come in by token only.",
                   "%s", lists.text);
    else if (crl[0] != '\0')
        doctor_add(doctor, DOCTOR_FINE, KS_OK, "client-crl-file", "",
                   "%s: there is a list of each CA, and it holds now", crl);
}
