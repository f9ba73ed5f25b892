"""What Azure's own SDK for Python says of the double: each line fails where it is not as a genuine service is.

Run by `cargo xtask azure`, with the double's address, its authority and the file of a workload's token.
"""

import os
import sys

url, authority, token_file = sys.argv[1:]
os.environ["REQUESTS_CA_BUNDLE"] = authority
os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = url

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import (
    ClientSecretCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.secrets import SecretClient

TENANT = "11111111-1111-1111-1111-111111111111"
AT = {"authority": url, "disable_instance_discovery": True}


def client(credential):
    return SecretClient(url, credential, verify_challenge_resource=False)


def fails(error, work):
    try:
        work()
    except error as told:
        return told
    raise AssertionError(f"no {error.__name__}")


vault = client(ClientSecretCredential(TENANT, "shop-id", "s3cr3t-shop", **AT))
# The first two requests are throttled: the SDK waits as it is told.
first = vault.set_secret("db-pw", "one", content_type="text/plain", tags={"a": "b"})
second = vault.set_secret("db-pw", "two")
assert first.properties.version != second.properties.version
assert first.properties.tags == {"a": "b"} and first.properties.content_type == "text/plain"
assert vault.get_secret("DB-pw").value == "two", "a name knows no case"
assert vault.get_secret("db-pw", first.properties.version).value == "one"
versions = list(vault.list_properties_of_secret_versions("db-pw"))
assert {it.version for it in versions} == {first.properties.version, second.properties.version}
assert all(it.created_on is not None for it in versions)
assert fails(ResourceNotFoundError, lambda: vault.get_secret("nope")).error.code == "SecretNotFound"

for number in range(60):
    vault.set_secret(f"s{number}", "v")
names = [it.name for it in vault.list_properties_of_secrets()]
assert len(names) == len(set(names)) == 61, "three pages"

deleted = vault.begin_delete_secret("db-pw").result()
assert deleted.name == "db-pw" and deleted.recovery_id and deleted.deleted_date
fails(ResourceNotFoundError, lambda: vault.get_secret("db-pw"))
fails(ResourceExistsError, lambda: vault.set_secret("db-pw", "x"))
assert vault.get_deleted_secret("db-pw").name == "db-pw"
vault.begin_recover_deleted_secret("db-pw").wait()
assert vault.get_secret("db-pw").value == "two"
vault.begin_delete_secret("s0").wait()
vault.purge_deleted_secret("s0")
fails(ResourceNotFoundError, lambda: vault.get_deleted_secret("s0"))

vault.update_secret_properties("s1", enabled=False)
told = fails(HttpResponseError, lambda: vault.get_secret("s1"))
assert told.status_code == 403 and told.error.innererror["code"] == "SecretDisabled"

wrong = client(ClientSecretCredential(TENANT, "shop-id", "wrong", **AT))
assert "AADSTS7000215" in str(fails(ClientAuthenticationError, lambda: wrong.get_secret("s2")))
assert client(ManagedIdentityCredential()).get_secret("s2").value == "v"
assert client(ManagedIdentityCredential(client_id="reports-id")).get_secret("s2").value == "v"
fails(ClientAuthenticationError, lambda: ManagedIdentityCredential(client_id="nobody").get_token("https://a/.default"))
# In an app service there are these two; nothing else has to be said.
os.environ["IDENTITY_ENDPOINT"] = f"{url}/msi/token"
os.environ["IDENTITY_HEADER"] = "wrong"
fails(ClientAuthenticationError, lambda: ManagedIdentityCredential().get_token("https://a/.default"))
os.environ["IDENTITY_HEADER"] = "s3cr3t-header"
assert client(ManagedIdentityCredential()).get_secret("s2").value == "v"
assert client(ManagedIdentityCredential(client_id="reports-id")).get_secret("s2").value == "v"
fails(ClientAuthenticationError, lambda: ManagedIdentityCredential(client_id="nobody").get_token("https://a/.default"))
workload = WorkloadIdentityCredential(
    tenant_id=TENANT, client_id="shop-id", token_file_path=token_file, **AT
)
assert client(workload).get_secret("s2").value == "v"
print("the SDK takes the double for what it stands for")
