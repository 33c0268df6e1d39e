/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Written by tests/unit/jwt_vectors.py. Keys of nobody.
 */
#ifndef TESTS_UNIT_JWT_VECTORS_H
#define TESTS_UNIT_JWT_VECTORS_H

/* clang-format off */

#define KEYS \
    "{\"keys\": [{\"n\": \"rYaD_laJGBFX-aNLFDP3OVASbagK1tQe-_QBHYF1QgOYeTyvexeetGRHXhUIop1" \
    "2mhoyA7nZ09fjJCMTZg8M1Qxc7EvTLnEYMv_5E4gyAgljQcNd59fVdgANOYtzf_PgV7FzXZY85GP-37i" \
    "Wz8uXrOuPAH_aeiibamMJ7_b0bSrJ8t3Oloulp4ZyVDwWQ5yDBZKu3MDzZXbyunROhnWQY_ODfdLKaZd" \
    "-UCf3y_1o9pUJmssW8bjKZTUHVlcWENQ2H06AKz-1QP4BK_ANX0oX_QeGZQOtt1Y0J0nWt_JnhlA9d6c" \
    "-S6x61zVLRAzz2e4kah-vwxNClPPy0DxUmMtC1w\", \"e\": \"AQAB\", \"kty\": \"RSA\", \"kid\": \"rsa" \
    "\"}, {\"n\": \"uyujnCV-9Y84CfMLf3T5u2eNuNgo92PESH1Xp6GTnY3_nTC675808U0WhI-6vMq4XYa_R" \
    "rP3OqWBO_gZVM6jPAAJCqI0Xsn0zKXGhy-aEeACh-4aerxt435MRtcVJRG6my4ynjpZwJpFMRS031KAD" \
    "BpxqlRQvpP2NF-4XdG1WFJGGTI1xHJ2oPuTlUeedIAPOpPYofgS_pLn2GSRHLKwh6mO123lVHpcPcyHs" \
    "Fk6aMWmFvvjR0UkvRwIQ07lovydTCriUeavRN9B3oRc7CLgC9dHWPSKq7qaj6yxQ2ykEB1NAuFNc9kkB" \
    "dpIczucYUB3jYhcI3WOwrmBGN5yPka85z0gf99OsIhjznOZEZv6YXdhVvgwKEdyxTlxOtqtbn2KeYi58" \
    "FVN90VMHjR3yc1IPQ-EQ3v1gxBISHpmFCrHY-nunKQ9pk-P5Fg9W_VKWKWV3C4vDyZMoGYminRUN0uFg" \
    "oi_ZnfEBeFi_uIwiPKsOds5ZTuRWYnWaFVyW_uzuK9B\", \"e\": \"AQAB\", \"kty\": \"RSA\", \"kid\": " \
    "\"rs-only\", \"alg\": \"RS256\", \"use\": \"sig\"}, {\"crv\": \"P-256\", \"x\": \"rGW0m-PIoY_dgUV" \
    "aP5XwccO7-tvV3vchaxC9Y3DMEUc\", \"y\": \"CLy2xIIe6OFDdkIDSAAPdXL7XQDgwt_NcJuKyJi9xXE" \
    "\", \"kty\": \"EC\", \"kid\": \"p256\", \"key_ops\": [\"verify\"]}, {\"crv\": \"P-384\", \"x\": \"6r" \
    "upxty4Lg-WSe1B8PiTwJDJkPQDDIE-es7TtH0rC4tqKwI1u9wRzpNJCt3RDoNJ\", \"y\": \"szRhjRzEp" \
    "IZFdhvYKcK8kMxqLLdnFgBBpA9SlbIMC_sCDqoLMU1rLc9NqAc9XM8V\", \"kty\": \"EC\", \"kid\": \"p" \
    "384\"}, {\"crv\": \"Ed25519\", \"x\": \"2IEkA6XQucRPIPmSteBipPfNGmyFP1zaK2IF2TAXJlg\", \"k" \
    "ty\": \"OKP\", \"kid\": \"ed\"}]}"

#define KEY_RSA \
    "{\"n\": \"rYaD_laJGBFX-aNLFDP3OVASbagK1tQe-_QBHYF1QgOYeTyvexeetGRHXhUIop12mhoyA7nZ0" \
    "9fjJCMTZg8M1Qxc7EvTLnEYMv_5E4gyAgljQcNd59fVdgANOYtzf_PgV7FzXZY85GP-37iWz8uXrOuPA" \
    "H_aeiibamMJ7_b0bSrJ8t3Oloulp4ZyVDwWQ5yDBZKu3MDzZXbyunROhnWQY_ODfdLKaZd-UCf3y_1o9" \
    "pUJmssW8bjKZTUHVlcWENQ2H06AKz-1QP4BK_ANX0oX_QeGZQOtt1Y0J0nWt_JnhlA9d6c-S6x61zVLR" \
    "Azz2e4kah-vwxNClPPy0DxUmMtC1w\", \"e\": \"AQAB\", \"kty\": \"RSA\", \"kid\": \"rsa\"}"

#define KEY_P256 \
    "{\"crv\": \"P-256\", \"x\": \"rGW0m-PIoY_dgUVaP5XwccO7-tvV3vchaxC9Y3DMEUc\", \"y\": \"CLy2x" \
    "IIe6OFDdkIDSAAPdXL7XQDgwt_NcJuKyJi9xXE\", \"kty\": \"EC\", \"kid\": \"p256\"}"

#define KEY_P521 \
    "{\"crv\": \"P-521\", \"x\": \"AVlGFSIeUEwH2mUyPWGV2c_uyAH8GamGCL7b9-YwpBxEmSFWEvpkcy1KB" \
    "iQC2K53J2GH69h99fqiZw47SXrpUEbS\", \"y\": \"AHP46BRvEDQz7wc4JYDtXFD0WC91IEz3NTqMhRvU" \
    "t-eqPqU4Ql-q4zWgWAF_eVvVPPoEdDnl-uJhGkCkxvIclmiG\", \"kty\": \"EC\", \"kid\": \"p521\"}"

#define KEY_WEAK \
    "{\"kty\": \"RSA\", \"kid\": \"weak\", \"e\": \"AQAB\", \"n\": \"u1lp7ouTRK3J9PcLk4SK8XvZ9fVHgYb" \
    "hdzKw1HIc_MIh5_dtfljwiX-UQ3D-EoE6RWXn-ZHO5gqoUwIAQ73qIUSpCKCAcLxc1hixwGWw672LFfO" \
    "E7ykX6cdoevyOAZhlEf7AWKVtRdaSSIXr0Ef_SEKC_p9B9z-py_5Qo_FXMNU\"}"

#define KEY_PRIVATE \
    "{\"crv\": \"P-256\", \"x\": \"rGW0m-PIoY_dgUVaP5XwccO7-tvV3vchaxC9Y3DMEUc\", \"y\": \"CLy2x" \
    "IIe6OFDdkIDSAAPdXL7XQDgwt_NcJuKyJi9xXE\", \"d\": \"sIPmRh5dyvxA-8xOQYE8xQTQ_5gCYDAuC" \
    "2PV8KQfVkk\", \"kty\": \"EC\", \"kid\": \"p256\"}"

#define KEY_SECRET \
    "{\"k\": \"gTpKz5-GUoAqxR5MatZbxJjV4aPMMm_KXlna9H5IpvE\", \"kty\": \"oct\", \"kid\": \"rsa\"}"

#define TOKEN_RS256 \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2NpLmV" \
    "4YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiXSwibmJ" \
    "mIjoxODAwMDAwMDAwLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.KMdaYmRhj-2KkZj" \
    "PNIbQ2YEW6alo4zomFTEXPUcIWDaaJTzGB7Zl1AieS5hxqihFboO9_CLmwh50NOZoWfvNuqsWf23T7_M" \
    "-GUSzOo3Pq6oeAtNlN_7Up4W71i5CX8B7Qp5_M4lGV10kKzavfLeO9wJ02gBn46sP8Ghv8VNq1J2yzqw" \
    "My-EWsUYXefA1I90XToTVIrQxVfO28-H87K2DoZE7RLnqbSfGj-twVu9NYz_FEWtPNiwww9SlnXz57gB" \
    "jOS8FUMnJ7c2-tDqTULAN01mM-RHrGPmJthEZns3HCLpfKHN8pfxvLrpXJWBF-TciGYzXpd8aekbTMhf" \
    "Wv9whXQ"

#define TOKEN_PS256 \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJQUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2NpLmV" \
    "4YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiXSwibmJ" \
    "mIjoxODAwMDAwMDAwLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.RGCydH0kO5D9UdB" \
    "CZiyS6ruM1BV8f1ZIpQok9WrFPgn87r4sudF1xI2BweecfDPckS_QYpajMyMpl7GU7nugZ6JdcxAs4NR" \
    "yNRrW8Ve5oA9kFp299MOCp4qaqU8EBXSOgxCDgq93MGhqnhbVqCqd9RwDj7kq7IeW1H2xM4UD_74K4FY" \
    "CMIX8iO4EHgYl9y0Wev8t7ceQVr0i5Hh23MSFhyVOVUlO-nl8XdkPLDDEJQ8QH-zsTFt96D3F5qxsOix" \
    "bdKSIP6zN_Z8_ahIhnxgf8z_9XDoBb90KZFDFeNAfmxv8zaOLUmTO75DR3c2NoB2HYum5qit8wvYxn50" \
    "dulZjFg"

#define TOKEN_ES256 \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiIsImtpZCI6InAyNTYifQ.eyJpc3MiOiJodHRwczovL2NpL" \
    "mV4YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiXSwib" \
    "mJmIjoxODAwMDAwMDAwLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.EIt6t9ZUJNEmH" \
    "VDkJ_d7PJtWO7UhKbL0wumIXAqHM6nkCGMZfuL4_Bk8dqorgecBFTojpxMlR4d36RKnHu8brA"

#define TOKEN_ES384 \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzM4NCIsImtpZCI6InAzODQifQ.eyJpc3MiOiJodHRwczovL2NpL" \
    "mV4YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiXSwib" \
    "mJmIjoxODAwMDAwMDAwLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.-75Gp58d_mB69" \
    "ai7Vr6GWVqCrsIxxRfRMyjWJJG2UIBE19swXAFfZZFmF9PPqiqphmoFwEOByaauv8bo34G_QmuZ791yb" \
    "iNx-IvTk29VS2EFFl31jSZyUe1KToKcgROD"

#define TOKEN_EDDSA \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSIsImtpZCI6ImVkIn0.eyJpc3MiOiJodHRwczovL2NpLmV4" \
    "YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiXSwibmJm" \
    "IjoxODAwMDAwMDAwLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.gjAIL8sNKBDRm2F6" \
    "iBKCEhtdilbR0m5QRcLVd82V7YncQXy64AOXW85Fz-QTMh63IeFnkwM7Qpwly9IMkTCwDw"

#define TOKEN_ED25519 \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZDI1NTE5Iiwia2lkIjoiZWQifQ.eyJpc3MiOiJodHRwczovL2NpL" \
    "mV4YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiXSwib" \
    "mJmIjoxODAwMDAwMDAwLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.1xZAFD7uTm4I7" \
    "cPmAiZyu67ShI3eOlxacu8pGD5V9fiC2jO455UsfdZ6XI29kTrzeSPzTZ_z0q1VBvLAuEAxBw"

#define TOKEN_NO_KID \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2NpLmV4YW1wbGUiLCJzdWI" \
    "iOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiXSwibmJmIjoxODAwMDAwMDA" \
    "wLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.xJSw_sXR5eIEZ8QjK3jhqB_w8f4XYTh" \
    "JMBav5egMI9uBGlDR4UnOZF1IYRdvn1PlxuI0W9DdsQSZn8tqWxUD7g"

#define TOKEN_RSA_NO_KID \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2NpLmV4YW1wbGUiLCJzdWI" \
    "iOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiXSwibmJmIjoxODAwMDAwMDA" \
    "wLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.lBsyf_pDde894VaWYCXwSrzeX07qNVQ" \
    "h0GWTOzzgDmwv2qjEfRrm96ZVJfiYfRm6Vt0tNqv9LEXpzFt9V76F8y1pMjBfn1_Z9QP4qGwsugbXMuI" \
    "aTWaMUTvJlBewB1eXhEYlsdWBmD8bM_6igGBWD52uxf8vuhZxMuuPhCZvnqHfitJZN-vxpYuJ_zlDQNa" \
    "MfjGWegxBnTqHLIOBDHrwBcFGj4Yc2zx-Hk4wfBcxCykKzwe-74NZb3Q7aaiBj1TPFxJwlrFaXb28nG9" \
    "6voi8B5fb_AmQoiKpJSs6nVLn_BwHElDHLTphXgYEf4iGuPP5_zd_6pzlJKXajLch_i5WLA"

#define TOKEN_RS_ONLY \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsImtpZCI6InJzLW9ubHkifQ.eyJpc3MiOiJodHRwczovL" \
    "2NpLmV4YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiX" \
    "SwibmJmIjoxODAwMDAwMDAwLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.SeWhSr-mW" \
    "2YQ897jMxqIfSb_QQ6kWSL5XUanAxbZd3pmBg7mo2Bb8p_pA9X-OQgPK2qCFUoJYVCWzTzjLkQPHliRJ" \
    "AVkBXGNa-10CIG49ZEaaFqsyl9trzWqw-Cwgoi20AaYalxCDrAeD33YXZHj-XZ-ElaKc5t2-ympvzRGu" \
    "5s0HhhnpaR3HmRPBLWShe815vlcI06RO1anTVEOGtSHgWW_5E63maT8S5yqn-94r6wNxvNTgD6JOvDEG" \
    "eZRmBLXE1fmIaUZbue4qGPTOPVNeIFZsAg-V1QVQA-2RywIZMBOBYc7HxL8Qrj5z_xSKuPWd4wTxkAif" \
    "xMferaS13TZr4YyeZA9uW1aX-QCsq7D_tnNYusQ0gqh88ZzAtOOBAx2Dh4lL7Y8L9ncimyI2V7GW10fW" \
    "XdQpTtJxDOi8WcjLrQ-acubdnaRW-A38xPl4cJkV-syFYpwcJXZSDA43YbJEQJ58-NZSwj9aby1E4QNh" \
    "N3p_dzZYiYfoTFEtIk82bXR"

#define TOKEN_PS_OF_RS_ONLY \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJQUzI1NiIsImtpZCI6InJzLW9ubHkifQ.eyJpc3MiOiJodHRwczovL" \
    "2NpLmV4YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiX" \
    "SwibmJmIjoxODAwMDAwMDAwLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.cp7wlrmh8" \
    "jRtqeVgi3Gq2XTkRcaGZTM_fX4jF1hPu8h0xcOn2XFBBsru9wufhK-oFJwyj1-7dn35Mv6G6Q1MoX4yl" \
    "hMySy44xIDhIayiUu48luVxPAP7NWAAdpj_gU_BjvQasLmucFvjUatI5NnQDjosglozCuLDMxu4Wivh8" \
    "z629MpqK_py3gaNDxFV8uYAVUQ8vwdSjob8lolClnhTlAj-NWyh1aX-KwtmTDeUBPUmFBgz_AVV_OsAN" \
    "2GnrF7UY2osBzakXYaJm597R6kOkPEA0Urploe-lBYjI0oibRquYkjuZakOtG3fT5vLTeWc4VDwEEIxi" \
    "-E6sMWlZZXLdMiEDDVCbKk9CxT1xA1tQWlA8CQ7mv4LzYIscoUq1sjcsQbr9YMs1cO_dlZADcKWrlECr" \
    "fH5bLsZ7T5Jxjoj2Aro6xbBcuZE2PLmp5_o2--xOe8p3jpr5kMH1a4vCjfvM-ylJ4bduTANqaIGaWUZF" \
    "AxcM4VuehRal2gekmhzzvlt"

#define TOKEN_ES512 \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzUxMiIsImtpZCI6InA1MjEifQ.eyJpc3MiOiJodHRwczovL2NpL" \
    "mV4YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiXSwib" \
    "mJmIjoxODAwMDAwMDAwLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.ADp1nyllnEMUS" \
    "54EBR0sCSn52aKe_-kceJM8Vq2oBj_G00Sipl4uzMt6Thx6EkDWTtyvv6DuPb5oM8TP_T48BIynAPlLL" \
    "hw38UqwVfD6eSi0U2Mz0o7WkwUetMZt9mhQugUP64XUhRi2tEf46vwYarcuP7mFBClLzU-8AAYs6nb-r" \
    "F6S"

#define TOKEN_UNKNOWN_KID \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsImtpZCI6ImFub3RoZXIifQ.eyJpc3MiOiJodHRwczovL" \
    "2NpLmV4YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiX" \
    "SwibmJmIjoxODAwMDAwMDAwLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.U0edR9xXn" \
    "JmzDWaTaKtU2Cb_JJUQ3volmnKC1h8WyNnxhCnxg6Ec_xuh9mY8cv1Kek-Czxtp0Ic26qF7KlQi3F6hS" \
    "8MXxCA8EDHCZKwZVYJ9wEkSwubyycNGweMzOdMgj7rt5gnytFdfzWk-TdwgGFxs4wsrdsMcyXfTqv10V" \
    "OdB1K0s_fW1uQqsyiAXNRiaM85Znd2arQPlKTfVpwVTrUHZbxW-RNGybHbSiEQOETljTasF877_t2EPX" \
    "5Lb1gCwNTNLBOkEPm31uOKQEVahVjnFg-mrQZQ1VP1BFwn91zJYJ_dz9Far8MGc2IcP8P19VWcZuTWiq" \
    "PDXazHzUP12Ow"

#define TOKEN_OTHER_KID \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2NpLmV" \
    "4YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiXSwibmJ" \
    "mIjoxODAwMDAwMDAwLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.0okJsnkXCs0uf0P" \
    "9W_WNmRYku40Zu4GXaFXsA-HeC65kCdtIERWPsbihZwKUh9Ms821UAig4RfKn3o2-mhEnDQ"

#define TOKEN_FOREIGN \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSIsImtpZCI6ImVkIn0.eyJpc3MiOiJodHRwczovL2NpLmV4" \
    "YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjpbIm90aGVyIiwidGlkZW1hcmsiXSwibmJm" \
    "IjoxODAwMDAwMDAwLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0.A-nNv0X-EX5oJs37" \
    "jSBLHgFBq11DvNw3S1LG-zmuB-BvobYimIXQBiXpLcJ8Nu7jaAHNNGAKm8qT7gY_W5C_Bw"

#define TOKEN_CONFUSED \
    "eyJhbGciOiJIUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiAiaHR0cHM6Ly9jaS5leGFtcGxlIiwgInN" \
    "1YiI6ICJyZXBvOmFjbWUvYXBwIiwgImF1ZCI6IFsib3RoZXIiLCAidGlkZW1hcmsiXSwgIm5iZiI6IDE" \
    "4MDAwMDAwMDAsICJpYXQiOiAxODAwMDAwMDAwLCAiZXhwIjogMTgwMDAwMzYwMH0.ultayD7ZVYbLW91" \
    "T6ouyBe4Iovv3iGYhWPyWR61xrN0"

#define TOKEN_NONE \
    "eyJhbGciOiJub25lIn0.eyJpc3MiOiAiaHR0cHM6Ly9jaS5leGFtcGxlIiwgInN1YiI6ICJyZXBvOmFj" \
    "bWUvYXBwIiwgImF1ZCI6IFsib3RoZXIiLCAidGlkZW1hcmsiXSwgIm5iZiI6IDE4MDAwMDAwMDAsICJp" \
    "YXQiOiAxODAwMDAwMDAwLCAiZXhwIjogMTgwMDAwMzYwMH0."

#define TOKEN_NONE_SIGNED \
    "eyJhbGciOiJOb25lIiwia2lkIjoicnNhIn0.eyJpc3MiOiAiaHR0cHM6Ly9jaS5leGFtcGxlIiwgInN1" \
    "YiI6ICJyZXBvOmFjbWUvYXBwIiwgImF1ZCI6IFsib3RoZXIiLCAidGlkZW1hcmsiXSwgIm5iZiI6IDE4" \
    "MDAwMDAwMDAsICJpYXQiOiAxODAwMDAwMDAwLCAiZXhwIjogMTgwMDAwMzYwMH0.huJqh_Cv-QSwRX84" \
    "LrKiF-oBxnOFio9GnBb75T3JaLHEjVBxryHGYk2Op4ARGiRhkFdRWGsDarZoY1SH3lvFwPC9dMhbpiU7" \
    "zfStapeIEZYYw4fj0txa5J4E44GS24AoPuckaO8GQ6ANJO14fm5etcFkKCC4IXekwmMnkwdOk77u59hl" \
    "uVN-ve40sdgbBoNEWA6CFmlpIbVle3bnxNCT6x-wVXjsMiZci9wMKK0brTuf5GNrNAztun8slcIWrPGG" \
    "0z-KncLNOPQIlPI75eCTYeHYfVKi_LBKjY7cl9EO8LOwjDOTMr7EEsCXopiJEeVdbZ9J520FyJpIvx3T" \
    "hqwG4Q"

#define TOKEN_CRIT \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsImNyaXQiOlsiYjY0Il0sImI2NCI6dHJ1ZX0.eyJpc3Mi" \
    "OiAiaHR0cHM6Ly9jaS5leGFtcGxlIiwgInN1YiI6ICJyZXBvOmFjbWUvYXBwIiwgImF1ZCI6IFsib3Ro" \
    "ZXIiLCAidGlkZW1hcmsiXSwgIm5iZiI6IDE4MDAwMDAwMDAsICJpYXQiOiAxODAwMDAwMDAwLCAiZXhw" \
    "IjogMTgwMDAwMzYwMH0.b9T7xMw4fruI-kd2a-0hrDOC5zpUtrHQ_hAMCF8F0L0ZArEJZNm5AZm0TDV9" \
    "OcDlJvg5HYsdVSRkCzBFq7xS49c_8ETzZs11cdMbncTXw9-VEuCLBRfRmQQzdVFo3z52vne0m7Tswdz0" \
    "zcBvzxMXl4z-IjeGyXGgHKHsNJeM4xEYCoTuGvivrdXkWt3VPw3k9p9gSh8LuuFkmOGkkudXB2N0EIoe" \
    "NNWCpOOeloPfOmCyYWRxIONpdxwJQsyv0g0CSmtCgseKnbHYQV06Yo-LlykK5yKvpEd0sohtArlNifuF" \
    "ndDyLE7UUU2JprDSbP_XPmWl4maRb0_i3rK57_hh2g"

#define TOKEN_TWICE \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJzdWIiOiJhIiwiZXhwIjoxODAwMDAzNjAwLCJzdWI" \
    "iOiJhZG1pbiJ9.nifHQg02UO_4M2pFa6U10IHsbHp8ZAge1XwCJbDKcoqQ_-wpa5yKYnwODWcA2Y_m9U" \
    "RR7FJS2n5glY9PHFwY9XAEdZv-ZplaUm5dHD1pSy6kRpWtEOwAkAPhe-0KIDpdSidk1ieKgrCETuz1oP" \
    "mKvwtCdgRzv_sUBiqOBWFuQdozwyJZMdsOQowy5DRGhJ0zfiQsc43ZdFLoNoagjGzt7_q1ffGEvW4qwf" \
    "70grzC9sK17iaJEUB5emsLCiBAkh4BGxnqNDnvf9DrBCW0296_uChgJ_b4IZ3FTP3QF95Tofzh1CtwnG" \
    "1x2K0cCPxP-MeSUhKH36B9iPnb3-F7-QJHDw"

#define TOKEN_HEADER_TWICE \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsImFsZyI6Im5vbmUifQ.eyJpc3MiOiAiaHR0cHM6Ly9ja" \
    "S5leGFtcGxlIiwgInN1YiI6ICJyZXBvOmFjbWUvYXBwIiwgImF1ZCI6IFsib3RoZXIiLCAidGlkZW1hc" \
    "msiXSwgIm5iZiI6IDE4MDAwMDAwMDAsICJpYXQiOiAxODAwMDAwMDAwLCAiZXhwIjogMTgwMDAwMzYwM" \
    "H0.PNJwLerIH5XUOLUaGJONKAo_N5tXdQ7c66NPoL3h04HN_2qEazlg4nqFfFOOia6Amvy3keeaLzx0R" \
    "FcSgUWw14wLnH7bP0bUeFc4OInmNnZdr7izKsqoxb6kRXReVYCvJzytNnM1ci5UUxgorMFtFzmYpulYo" \
    "9XmUovdPZVFHHc8JEU9q-20PCEP1S1xW-vBC7PIsKP9gF7_g0iihkn4XKJ1zl92S5OfF6JG6jUFjZ4XE" \
    "bAzQpKhJ-eU1rmHVSeyBnZAK-RfKlvqxv6E_pTO9lK9ECO8tkxUbcNoBlyNTXOdEOI_T86U1SCuwS1DA" \
    "FxPFwjjcA7dDSpYNLsu2pF0IQ"

#define TOKEN_OWN_KEY \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6IngiLCJqd2siOnsibiI6ICJyWWFEX2xhSkdCRlgtYU5MRkRQM09W" \
    "QVNiYWdLMXRRZS1fUUJIWUYxUWdPWWVUeXZleGVldEdSSFhoVUlvcDEybWhveUE3blowOWZqSkNNVFpn" \
    "OE0xUXhjN0V2VExuRVlNdl81RTRneUFnbGpRY05kNTlmVmRnQU5PWXR6Zl9QZ1Y3RnpYWlk4NUdQLTM3" \
    "aVd6OHVYck91UEFIX2FlaWliYW1NSjdfYjBiU3JKOHQzT2xvdWxwNFp5VkR3V1E1eURCWkt1M01EelpY" \
    "Ynl1blJPaG5XUVlfT0RmZExLYVpkLVVDZjN5XzFvOXBVSm1zc1c4YmpLWlRVSFZsY1dFTlEySDA2QUt6" \
    "LTFRUDRCS19BTlgwb1hfUWVHWlFPdHQxWTBKMG5XdF9KbmhsQTlkNmMtUzZ4NjF6VkxSQXp6MmU0a2Fo" \
    "LXZ3eE5DbFBQeTBEeFVtTXRDMXciLCAiZSI6ICJBUUFCIiwgImt0eSI6ICJSU0EiLCAia2lkIjogIngi" \
    "fX0.eyJpc3MiOiAiaHR0cHM6Ly9jaS5leGFtcGxlIiwgInN1YiI6ICJyZXBvOmFjbWUvYXBwIiwgImF1" \
    "ZCI6IFsib3RoZXIiLCAidGlkZW1hcmsiXSwgIm5iZiI6IDE4MDAwMDAwMDAsICJpYXQiOiAxODAwMDAw" \
    "MDAwLCAiZXhwIjogMTgwMDAwMzYwMH0.Jr-v3fxQjT2K8bqAy8qGpVf9OJdTJSlzpNpnoP358D7ifV53" \
    "dbKYNO3tfWhzMwjy7EHKRXjWIwh29k4y8s0QwxWZaHbkjflcFIudRbXsKos1W2QscxigMb0USOAThfVT" \
    "oF2CPBRlvhCShd1o_QHbWtWcaBKIg2Xaa2HVhN1ELTe0x6YgZdhRINnudlxanBaYvvOVVOP5KApEIOlp" \
    "BceU5v8klhPX0hDMYnJ_yl3hFkIIgNfiVRBv_1hmBjzKEENmACzeHEVWJhbXO5Ru4LfcvvXCrW9Mx3ow" \
    "1RbUK0J1iQGDFPnZWBv8bBSfnhVblizPQJ4WycqfXUtNX58y_Z8-mQ"

#define TOKEN_AUD_TEXT \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSIsImtpZCI6ImVkIn0.eyJpc3MiOiJodHRwczovL2NpLmV4" \
    "YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjoidGlkZW1hcmsiLCJuYmYiOjE4MDAwMDAw" \
    "MDAsImlhdCI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDAzNjAwfQ.LunPl99XxrZlumbRuWe7Z_N-liHQK" \
    "0eW4S2LjVGOFjvAcp3MsXFAzz9NmsQ9LEcvH4kTqgdhkIy-5Yip3qYfBA"

#define TOKEN_AUD_NUMBER \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSIsImtpZCI6ImVkIn0.eyJpc3MiOiJodHRwczovL2NpLmV4" \
    "YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjo3LCJuYmYiOjE4MDAwMDAwMDAsImlhdCI6" \
    "MTgwMDAwMDAwMCwiZXhwIjoxODAwMDAzNjAwfQ.PEYN16rqrXOrD4w5vhKTA7QHti47ceYftsSjnxHZJ" \
    "yoF5lkMd2TvCZFHF807HlIdF4CeFVc27Wzb8iHDCaFyBQ"

#define TOKEN_ARRAY \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.WyJleHAiXQ.ObwxkY7pytSSCAzG9ASzloibc7B19Kar" \
    "rtzrX9j5ccT6TyWRtxEKLyCrubpDPXzQh0oTdZhmB1QWwZcBRoxFe0rTuWEkx07Nl8AuxSBj2Nq-_3ZC" \
    "or5cRCPqw5fqCvtOah-O6NUjV9hBuP--dM-qQ6S5r2tS1uChnE0XBbBg_kEZC2EijxFMTv72sJhI-QYw" \
    "u1Ej1RoGu2wkaV0-5VOuxNQDFn1ngDqYSth8DOUG3MbpPIH6fUpqB3LHpbhaGFVh9G-zIri_HTNT8W2d" \
    "KYFjheMb0i7muLEJSR_5fsjY0vnLEeZJ-T0IJg7HRfi0ms_n8npdGTXcexUZe1GSt6TXKQ"

/* clang-format on */

#endif
