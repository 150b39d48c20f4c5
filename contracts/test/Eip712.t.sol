// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IDMLTest, Report, Terms, Vote} from "./utils/IDMLTest.sol";

/// @dev The hashes, written out field by field as EIP-712 defines them.
contract Eip712Test is IDMLTest {
    function testFuzz_hashTerms(Terms calldata t) public view {
        bytes32 typehash = keccak256(
            "Terms(bytes32 task,address learner,address neighbor,uint96 reward,bytes32 modelBefore,bytes32 learnerCommitment,bytes32 neighborCommitment,uint32 seats,uint40 asOf,uint40 deadline,uint64 nonce)"
        );
        bytes memory first = abi.encode(typehash, t.task, t.learner, t.neighbor, t.reward, t.modelBefore);
        bytes memory second =
            abi.encode(t.learnerCommitment, t.neighborCommitment, t.seats, t.asOf, t.deadline, t.nonce);
        assertEq(idml.hashTerms(t), digest(bytes.concat(first, second)), "terms");
    }

    function testFuzz_hashReport(Report calldata r) public view {
        bytes32 typehash =
            keccak256("Report(bytes32 encounter,address reporter,bytes32 result,bytes32 secret,bytes32 previous)");
        bytes memory encoded = abi.encode(typehash, r.encounter, r.reporter, r.result, r.secret, r.previous);
        assertEq(idml.hashReport(r), digest(encoded), "report");
    }

    function testFuzz_hashVote(Vote calldata v) public view {
        bytes32 typehash =
            keccak256("Vote(bytes32 encounter,address validator,bytes32 seed,bytes32 result,bool accept)");
        bytes memory encoded = abi.encode(typehash, v.encounter, v.validator, v.seed, v.result, v.accept);
        assertEq(idml.hashVote(v), digest(encoded), "vote");
    }

    function test_hashTerms_namesTheChain() public {
        bytes32 here = idml.hashTerms(terms());
        vm.chainId(block.chainid + 1);
        assertTrue(idml.hashTerms(terms()) != here, "the same on another chain");
    }

    function test_hashTerms_namesTheContract() public {
        bytes32 here = idml.hashTerms(terms());
        address other = vm.deployCode("IDML.sol:IDML", abi.encode(token, THRESHOLD, DELAY));
        (bool ok, bytes memory there) = other.staticcall(abi.encodeCall(idml.hashTerms, (terms())));
        assertTrue(ok && abi.decode(there, (bytes32)) != here, "the same in another contract");
    }

    function digest(bytes memory encoded) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("iDML"),
                keccak256("1"),
                block.chainid,
                address(idml)
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, keccak256(encoded)));
    }
}
