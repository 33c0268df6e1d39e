-- SPDX-License-Identifier: Apache-2.0
-- Each request pushes another manifest under another tag. Arguments: repository, digest of the empty
-- config blob, a word that makes this run's names its own.
local repository, config, word
local number = 0

function init(arguments)
  repository, config, word = arguments[1], arguments[2], arguments[3]
end

function request()
  number = number + 1
  local body = '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",' ..
    '"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"' .. config ..
    '","size":2},"layers":[],"annotations":{"number":"' .. word .. number .. '"}}'
  return wrk.format("PUT", "/v2/" .. repository .. "/manifests/" .. word .. "-" .. number,
    {["Content-Type"] = "application/vnd.oci.image.manifest.v1+json"}, body)
end
